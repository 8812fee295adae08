import numpy as np
import pytest
import xarray as xr

from jtdiag import stats
from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.diversity import collusion
from jtdiag_probes.diversity.collusion import probe
from jtdiag_probes.diversity.collusion_verdict import PURE, collude
from jtdiag_probes.diversity.wording import _nats


@pytest.mark.slow
class TestCollusion(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def whole(run, lane, split, epoch):
    blocks = list(run.outputs(lane, epoch, split))
    logits = np.concatenate([b.logits for b in blocks], 1).astype(float)
    return logits, np.concatenate([b.target for b in blocks])


def test_losses_are_those_of_the_metrics_at_the_chosen_epoch(toy, result):
    metrics = toy.metrics()
    for lane in toy.lanes:
        index = {"lam": lane.lam_index, "trial": lane.trial}
        stored = metrics.isel(index).sel(epoch=toy.chosen_epoch(lane))
        at_lane = result.isel(index)
        np.testing.assert_allclose(at_lane["ensemble_loss"], stored["ensemble_loss"])
        np.testing.assert_allclose(
            at_lane["mean_member_loss"], stored["member_loss"].mean("member")
        )
    np.testing.assert_allclose(
        result["diversity"], result["mean_member_loss"] - result["ensemble_loss"], atol=1e-14
    )


def test_changes_are_against_independent_training_in_the_same_trial(result):
    for name in ("ensemble_loss", "mean_member_loss", "diversity"):
        change = result[f"{name}_change"]
        assert (change.sel(lam=0) == 0).all()
        slow = result[name].values - result[name].values[[0]]
        np.testing.assert_allclose(change, slow, atol=1e-15)
    gain = result["mean_member_loss_change"] - result["diversity_change"]
    np.testing.assert_allclose(result["ensemble_loss_change"], gain, atol=1e-14)


@pytest.mark.slow
def test_without_independent_training_there_is_nothing_to_compare_with(tmp_path):
    result = probe.ask(toy_run(tmp_path, trials=1, lam=[0.9, 1.0]), Options())
    assert result["diversity_change"].isnull().all()
    assert not {"pure-collusion", "added-diversity"} & {f.rule for f in probe.judge(result)}


def test_debiased_diversity_is_that_of_logits_without_their_means(toy, result):
    for lane in toy.lanes:
        logits, _ = whole(toy, lane, "test", toy.chosen_epoch(lane))
        logits -= logits.mean(-1, keepdims=True)
        bias = logits.mean(1, keepdims=True)
        shifted = logits - bias + bias.mean(0)
        lse = np.log(np.exp(shifted).sum(-1)).mean(0)
        slow = (lse - np.log(np.exp(shifted.mean(0)).sum(-1))).mean()
        at_lane = result.isel(lam=lane.lam_index, trial=lane.trial).sel(split="test")
        assert float(at_lane["debiased_diversity"]) == pytest.approx(slow, rel=1e-10)
        share = 1 - slow / float(at_lane["diversity"])
        assert float(at_lane["bias_share"]) == pytest.approx(share, rel=1e-5)


def test_what_dropping_costs_is_compared_with_the_prediction(result):
    on_test = result.sel(split="test")
    kept = [2, 2, 2]
    for i, m in enumerate(kept):
        predicted = on_test["diversity"] * (3 - m) / (m * 2)
        np.testing.assert_allclose(on_test["predicted_rise"][..., i], predicted, rtol=1e-5)
    np.testing.assert_allclose(
        on_test["drop_excess"], on_test["drop_rise"] - on_test["predicted_rise"], atol=1e-14
    )
    assert result["dropped_members"].values.tolist() == [1, 1, 1]
    assert (on_test["drop_rise_se"] > 0).all()


@pytest.mark.slow
def test_all_lambdas_of_a_trial_drop_the_same_members(toy, monkeypatch):
    seeds = []
    make = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: seeds.append(seed) or make(seed))
    probe.ask(toy, Options())
    assert {tuple(seed) for seed in seeds} == {
        (toy.recipe.seed, trial, collusion.STREAM) for trial in (0, 1)
    }


@pytest.mark.slow
def test_training_is_of_running_means_unless_its_outputs_are_kept(toy, result, tmp_path):
    assert (result["train_is_running"] == 1).all()
    run = toy_run(tmp_path, keep={"splits": ["train", "test"]})
    kept = probe.ask(run, Options())
    assert (kept["train_is_running"] == 0).all()
    lane = run.lanes[1]
    logits, target = whole(run, lane, "train", run.chosen_epoch(lane))
    mean = logits.mean(0)
    loss = np.log(np.exp(mean).sum(-1)) - mean[np.arange(len(target)), target]
    at_lane = kept.isel(lam=lane.lam_index, trial=lane.trial)
    assert float(at_lane["ensemble_loss"].sel(split="train")) == pytest.approx(loss.mean())
    gap = float(at_lane["ensemble_loss"].sel(split="test")) - loss.mean()
    assert float(at_lane["generalisation_gap"]) == pytest.approx(gap)
    ratio = at_lane["diversity"].sel(split="train") / at_lane["diversity"].sel(split="test")
    assert float(at_lane["diversity_ratio"]) == pytest.approx(float(ratio))
    assert all("running means" not in f.sentence for f in probe.judge(kept))


@pytest.mark.slow
def test_chunked_reading_gives_the_same(tmp_path, monkeypatch):
    unchunked = probe.ask(toy_run(tmp_path, trials=1, lam=[0.9]), Options())
    (tmp_path / "again").mkdir()
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    run = toy_run(tmp_path / "again", trials=1, lam=[0.9])
    assert len(list(run.outputs(run.lanes[0], 4, "test"))) > 3
    xr.testing.assert_allclose(probe.ask(run, Options()), unchunked, rtol=1e-10)


@pytest.mark.slow
def test_one_member_has_no_diversity_to_judge(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.0, 0.9], members={"count": 1})
    result = probe.ask(run, Options())
    np.testing.assert_allclose(result["diversity"].sel(split="test"), 0, atol=1e-7)
    assert {f.rule for f in probe.judge(result)} == {"generalisation-gap"}


@pytest.mark.slow
def test_one_of_two_members_is_dropped(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.0], members={"count": 2}, train={"epochs": 1})
    result = probe.ask(run, Options())
    assert (result["drop_rise"].sel(split="test") > 0).all()
    [hollow] = [f for f in probe.judge(result) if f.rule == "hollow-diversity"]
    assert "dropping 1 of 2 members at random" in hollow.sentence
    assert "nan" not in hollow.sentence


# --- what it says ---------------------------------------------------------------------------------


def changed(result, more, gain):
    """The finding at λ = 0.9, with other changes from λ = 0 on test, by trial."""
    trials = len(more)
    result = result.isel(trial=np.zeros(trials, int)).assign_coords(trial=range(trials)).copy()
    index = {"lam": 0.9, "split": "test"}
    result["diversity_change"].loc[index] = more
    result["ensemble_loss_change"].loc[index] = -np.asarray(gain)
    rules = ("pure-collusion", "added-diversity")
    [finding] = [f for f in probe.judge(result) if f.rule in rules and f.lam == 0.9]
    return finding


def test_diversity_that_does_not_lower_the_loss_is_collusion(result):
    finding = changed(result, [3.0, 3.1, 3.2, 3.1], [-0.01, 0.01, 0.02, 0.0])
    assert (finding.rule, finding.limit) == ("pure-collusion", 0.05)
    assert finding.number == pytest.approx(0.005 / 3.1)
    assert finding.sentence.startswith("λ = 0.9: learner collusion: compared with λ = 0")


def test_a_small_gain_is_reported_as_its_share(result):
    finding = changed(result, [5.0, 5.1, 4.9, 5.0], [0.1, 0.11, 0.1, 0.09])
    assert finding.sentence.startswith("λ = 0.9: mostly learner collusion")
    assert "a reduction by 2.0 % of that" in finding.sentence


@pytest.mark.parametrize(
    ("more", "gain"),
    [
        ([1.0, 1.1, 0.9, 1.0], [0.5, 0.51, 0.49, 0.5]),  # it lowers the loss
        ([0.001, -0.001, 0.002, 0.0], [0.0004, -0.0005, 0.0, -0.0002]),  # nothing has changed
        ([3.0, 3.1], [-0.1, 0.15]),  # two trials that differ in the loss
        ([3.0], [-0.1]),
        ([3.0, 3.0], [-0.1, -0.1]),
    ],
)
def test_collusion_is_not_claimed_without_evidence(result, more, gain):
    finding = changed(result, more, gain)
    assert finding.rule == "added-diversity"
    assert "learner collusion" not in finding.sentence
    assert "nan" not in finding.sentence


def test_a_single_trial_shows_nothing(result):
    assert changed(result, [3.0], [0.0]).sentence.endswith(
        "A single trial cannot show whether the members collude."
    )


@pytest.mark.one_in(3)
@pytest.mark.slow
@pytest.mark.parametrize("trials", [2, 3, 5])
@pytest.mark.parametrize("added", [0.0, 1.0])
def test_collusion_is_rarely_claimed_where_there_is_none(trials, added):
    """At the limit: exactly 5 % of the added diversity lowers the loss, or none is added."""
    random = np.random.default_rng([trials, int(added)])
    runs, lams = 10_000, 3
    more = added + random.normal(0, 0.05, (runs, lams, trials))
    loss = -PURE * added + random.normal(0, 0.02, (runs, lams, trials))
    claims = [any(collude(more[i, j], loss[i, j], lams) for j in range(lams)) for i in range(runs)]
    assert np.mean(claims) <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_the_share_of_offsets_is_reported_for_each_lambda(result):
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "hollow-diversity"}
    assert list(findings) == [0.0, 0.9, 1.0]
    for lam, finding in findings.items():
        on_test = result.sel(lam=lam, split="test")
        share = float(on_test["bias_share"].mean())
        assert finding.number == pytest.approx(share)
        assert f"changes by {-100 * share:+.0f} %".replace("-", "−") in finding.sentence
        rise = stats.mean_interval(on_test["drop_rise"].sel(dropped=0.4).values)
        assert _nats(rise, sign=True) in finding.sentence
        assert "dropping 1 of 3 members" in finding.sentence


def test_the_gap_is_compared_with_that_of_independent_training(result):
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "generalisation-gap"}
    alone = stats.mean_interval(result["generalisation_gap"].sel(lam=0).values)
    assert f"at λ = 0 it is {_nats(alone, sign=True)}" in findings[0.9].sentence
    assert "at λ = 0" not in findings[0.0].sentence
    assert findings[0.9].sentence.endswith("Training values are running means over the epoch.")
