import math

import numpy as np
import pytest
import xarray as xr
import zarr
from scipy.stats import spearmanr

from jtdiag import names
from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.dominance.dominance import probe


@pytest.mark.slow
class TestDominance(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def measured(toy):
    return probe.ask(toy, Options())


# --- from the metrics -----------------------------------------------------------------------------


@pytest.mark.slow
def test_errors_and_losses_are_those_of_the_metrics(toy, measured):
    for name in (names.MEMBER_ERROR, names.MEMBER_LOSS, names.ENSEMBLE_ERROR):
        np.testing.assert_array_equal(measured[name], toy.metrics()[name])


def test_leader_margin_and_skill_are_those_of_a_slow_loop(toy, measured):
    metrics, chance = toy.metrics(), 1 - 0.34  # 34 of the 100 examples of toy_data are of class 0
    for index in np.ndindex(measured["leader"].shape):
        error = metrics[names.MEMBER_ERROR].values[index].tolist()
        loss = metrics[names.MEMBER_LOSS].values[index].tolist()
        order = sorted(range(3), key=lambda j: (error[j], loss[j]))
        skill = chance - float(metrics[names.ENSEMBLE_ERROR].values[index])
        assert measured["leader"].values[index] == order[0]
        assert measured["leader_margin"].values[index] == error[order[1]] - error[order[0]]
        for name, j in (("leader_skill", order[0]), ("median_skill", order[1])):
            expected = (chance - error[j]) / skill if skill > 0 else math.nan
            assert measured[name].values[index] == pytest.approx(expected, rel=1e-13, nan_ok=True)
    assert measured.attrs["chance_error"] == pytest.approx(chance, rel=1e-15)


def test_the_skill_of_the_others_is_that_of_all_but_the_leaders(by_hand):
    """Ten classes; the ensemble has a skill of 0.8 and a leader one of at least 0.6."""
    errors = np.array([[0.2, 0.25, 0.7, 0.8], [0.2, 0.5, 0.6, 0.7], [0.5, 0.6, 0.7, 0.8]])
    run = by_hand(errors[None, None, :, None].repeat(3, 3), np.full((1, 1, 3, 3), 0.1), lam=(1.0,))
    others = probe.ask(run.seal_all(), Options())["others_skill"].sel(split="train").values[0, 0]
    np.testing.assert_allclose(others, [0.15 / 0.8, 0.3 / 0.8, 0.2 / 0.8])


def test_each_epoch_is_compared_with_the_last_in_training_error(toy, measured):
    errors = toy.metrics()[names.MEMBER_ERROR].sel(split="train")
    leader = measured["leader"].sel(split="train")
    for lam, trial, epoch in np.ndindex(3, 2, 5):
        now, end = errors.values[lam, trial, epoch], errors.values[lam, trial, 4]
        defined = len(set(now)) > 1 and len(set(end)) > 1
        expected = spearmanr(now, end).statistic if defined else math.nan
        assert measured["rank_correlation"].values[lam, trial, epoch] == pytest.approx(
            expected, abs=1e-13, nan_ok=True
        )
        same = leader.values[lam, trial, epoch] == leader.values[lam, trial, 4]
        assert measured["leader_is_final"].values[lam, trial, epoch] == same


def test_the_early_rule_is_epoch_3_against_the_end(measured):
    np.testing.assert_array_equal(measured["early_rule"], measured["leader_is_final"].sel(epoch=3))


def run_led_by(by_hand, leaders, splits=3, **more):
    """One lane of three members in which these lead in training, epoch after epoch."""
    errors = np.full((1, 1, len(leaders), splits, 3), 0.5)
    for epoch, leader in enumerate(leaders):
        errors[0, 0, epoch, 0, leader] = 0.2
        errors[0, 0, epoch, 1:, (leader + 1) % 3] = 0.1  # another leads elsewhere
    ensemble = np.full((1, 1, len(leaders), splits), 0.1)
    return by_hand(errors, ensemble, lam=(1.0,), **more).seal_all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leaders", "more", "rule"),
    [
        ([0, 1, 1, 2, 0, 2], {}, 1),
        ([2, 2, 2, 1, 2, 2], {}, 0),
        ([0, 0, 0, 0, 0, 0], {"epochs": 9}, math.nan),  # not done
        ([0, 0, 0, 0], {}, math.nan),  # epoch 3 is the end
        ([0, 0], {}, math.nan),
    ],
)
def test_the_early_rule_applies_to_longer_runs_that_are_finished(by_hand, leaders, more, rule):
    measured = probe.ask(run_led_by(by_hand, leaders, **more), Options())
    assert measured["early_rule"].item() == pytest.approx(rule, nan_ok=True)
    final = [float(leader == leaders[-1]) for leader in leaders]
    assert measured["leader_is_final"].values.ravel().tolist() == final
    assert measured["leader"].sel(split="train").values.ravel().tolist() == leaders


# --- from the outputs -----------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["val", "test"])
def test_shares_and_leave_one_out_are_those_of_a_slow_loop(toy, measured, split):
    group = zarr.open_group(toy.path / "store.zarr", mode="r")[f"outputs/{split}"]
    every_logits, every_target = group["logits"][...].astype(float), group["target"][...]
    lane, epoch = toy.lanes[4], 3
    logits = every_logits[lane.lam_index, lane.trial, epoch].tolist()
    target = (every_target[lane.trial] if every_target.ndim == 2 else every_target).tolist()

    def loss(rows, y):
        return math.log(sum(math.exp(value) for value in rows)) - rows[y]

    def mean(which, n):
        return [sum(logits[j][n][k] for j in which) / len(which) for k in range(3)]

    row = measured.sel(split=split, epoch=epoch).isel(lam=lane.lam_index, trial=lane.trial)
    shares, rises, norm = [0.0] * 3, [0.0] * 3, 0.0
    for n, y in enumerate(target):
        bar = mean([0, 1, 2], n)
        centred = [value - sum(bar) / 3 for value in bar]
        norm += sum(value**2 for value in centred)
        for j in range(3):
            # A centred vector sees no shift, so the member need not be centred here.
            shares[j] += sum(a * b for a, b in zip(logits[j][n], centred, strict=True))
            rest = [i for i in range(3) if i != j]
            rises[j] += (loss(mean(rest, n), y) - loss(bar, y)) / len(target)
    shares = [share / (3 * norm) for share in shares]
    np.testing.assert_allclose(row["logit_share"], shares, rtol=1e-12)
    np.testing.assert_allclose(row["leave_one_out"], rises, atol=1e-12)
    clipped = [max(share, 0) / sum(max(s, 0) for s in shares) for share in shares]
    expected = 1 / sum(share**2 for share in clipped)
    assert float(row["effective_members"]) == pytest.approx(expected, rel=1e-12)


def test_shares_add_up_to_1_wherever_outputs_are_kept(measured):
    total = measured["logit_share"].sel(split=["val", "test"]).sum("member", skipna=False)
    np.testing.assert_allclose(total, 1, rtol=1e-12)
    assert measured["logit_share"].sel(split="train").isnull().all()


@pytest.mark.slow
def test_outputs_read_in_many_chunks_give_the_same(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    run = toy_run(tmp_path, trials=1, lam=[0.9])
    chunked = probe.ask(run, Options()).squeeze(["lam", "trial"], drop=True)
    xr.testing.assert_allclose(
        chunked, measured.sel(lam=0.9, trial=0, drop=True), rtol=1e-12, atol=1e-12
    )


@pytest.mark.slow
def test_one_member_that_knows_among_guessers_is_the_one_effective_member(by_hand):
    target = np.arange(12) % 3
    logits = np.zeros((4, 12, 3))
    logits[2, np.arange(12), target] = 8
    run = by_hand(
        np.full((1, 1, 2, 3, 4), 0.5),
        np.full((1, 1, 2, 3), 0.1),
        lam=(1.0,),
        classes=3,
        logits={"test": np.broadcast_to(logits, (1, 1, 2, 4, 12, 3))},
        target={"test": target},
    ).seal_all()
    last = probe.ask(run, Options()).isel(lam=0, trial=0, epoch=-1).sel(split="test")
    np.testing.assert_allclose(last["logit_share"], [0, 0, 1, 0], atol=1e-14)
    assert float(last["effective_members"]) == pytest.approx(1, rel=1e-12)
    alone, rest = math.log1p(2 * math.exp(-2)), math.log1p(2 * math.exp(-8 / 3))
    expected = [rest - alone, rest - alone, math.log(3) - alone, rest - alone]
    np.testing.assert_allclose(last["leave_one_out"], expected, rtol=1e-12)


# --- special kinds of runs ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_single_member_has_all_the_shares(tmp_path):
    measured = probe.ask(
        toy_run(tmp_path, trials=1, lam=[0.0, 1.0], members={"count": 1}), Options()
    )
    kept = measured.sel(split=["val", "test"])
    np.testing.assert_allclose(kept["logit_share"], 1, rtol=1e-13)
    np.testing.assert_allclose(kept["effective_members"], 1, rtol=1e-13)
    assert kept["leave_one_out"].isnull().all()
    assert measured["leader_margin"].isnull().all()
    assert (measured["leader"] == 0).all()
    assert probe.judge(measured) == []  # there is nobody to compare it with


@pytest.mark.slow
def test_without_outputs_what_needs_them_is_unknown(tmp_path):
    measured = probe.ask(
        toy_run(
            tmp_path, trials=1, lam=[0.0, 1.0], keep={"outputs": "none", "checkpoints": "none"}
        ),
        Options(),
    )
    for name, var in probe.writes.items():
        assert bool(measured[name].isnull().all()) == var.from_outputs, name


@pytest.mark.slow
def test_lanes_that_have_not_started_have_no_leader(toy_copy, cut_back, measured):
    unfinished = probe.ask(cut_back(toy_copy, 4, 2, 0, -1, -1, -1), Options())
    assert (unfinished["leader"].sel(trial=1) == -1).all()
    assert unfinished["leader_is_final"].sel(trial=1).isnull().all()
    started = unfinished["leader"].sel(trial=0)
    assert (started.sel(lam=0.9).isel(epoch=slice(3, None)) == -1).all()
    np.testing.assert_array_equal(started.sel(lam=0), measured["leader"].sel(trial=0, lam=0))
    assert unfinished["leader_is_final"].sel(lam=0.9, trial=0, epoch=2) == 1
