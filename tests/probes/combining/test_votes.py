import itertools

import numpy as np
import pytest
import xarray as xr
import zarr
from scipy.stats import t as student

from jtdiag import names
from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.combining.votes import probe

SPLITS = ["train", "val", "test"]


@pytest.mark.slow
class TestVotes(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def slowly(logits, target):
    """Every fraction from a loop over examples and over pairs of members."""
    members, examples, classes = logits.shape
    votes = logits.argmax(-1)
    wrong = votes != target
    majority = []
    for n in range(examples):
        counts = [list(votes[:, n]).count(k) for k in range(classes)]
        tied = [k for k in range(classes) if counts[k] == max(counts)]
        majority.append(1 - (target[n] in tied) / len(tied))
    error, majority = wrong.mean(), np.mean(majority)
    pairs = list(itertools.product(range(members), repeat=2))
    differ = np.mean([(votes[i] != votes[j]).mean() for i, j in pairs])
    tandem = np.mean([(wrong[i] & wrong[j]).mean() for i, j in pairs])
    half = (wrong.sum(0) > members / 2).mean()
    return {
        "majority_error": majority,
        "majority_diversity_effect": error - majority,
        "improvement_rate": (error - majority) / error,
        "disagreement": np.mean([(votes[i] != votes[j]).mean() for i, j in pairs if i != j]),
        "disagreement_rate": differ / error,
        "tandem_loss": tandem,
        "vote_variance": error - tandem,
        "half_wrong": half,
        "polarization": tandem / half if half else np.nan,
    }


@pytest.mark.parametrize("split", ["val", "test"])
def test_every_number_is_that_of_a_slow_loop_over_the_stored_outputs(toy, result, split):
    group = zarr.open_group(toy.path / "store.zarr", mode="r")[f"outputs/{split}"]
    logits, target = group["logits"][...].astype(float), group["target"][...]
    for lane in toy.lanes:
        own = target[lane.trial] if target.ndim == 2 else target
        for epoch in (0, 3):
            index = (lane.lam_index, lane.trial, epoch)
            for name, value in slowly(logits[index], own).items():
                measured = result[name].values[(*index, SPLITS.index(split))]
                assert measured == pytest.approx(value, abs=1e-13, nan_ok=True), name


def test_what_comes_from_metrics_needs_no_outputs(toy, result):
    metrics = toy.metrics()
    mean = metrics[names.MEMBER_ERROR].mean("member")
    np.testing.assert_allclose(result["mean_member_error"], mean, rtol=1e-14)
    np.testing.assert_allclose(
        result["diversity_effect"], mean - metrics[names.ENSEMBLE_ERROR], atol=1e-15
    )
    assert probe.judge(probe.ask(toy, Options(metrics_only=True))) == []


def test_tandem_loss_and_variance_add_up_to_the_engines_mean_error(result):
    kept = result.sel(split=["val", "test"])
    whole = kept["tandem_loss"] + kept["vote_variance"]
    np.testing.assert_allclose(whole, kept["mean_member_error"], atol=1e-12)


@pytest.mark.slow
def test_outputs_read_in_many_chunks_give_the_same(result, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    chunked = probe.ask(toy_run(tmp_path, trials=1, lam=[0.9]), Options())
    xr.testing.assert_allclose(
        chunked.squeeze(["lam", "trial"], drop=True),
        result.sel(lam=0.9, trial=0, drop=True),
        rtol=1e-12,
        atol=1e-12,
    )


def run_of(by_hand, logits, target, ensemble):
    """Trials of one λ, one epoch after the start, with logits (trial, M, n, K)."""
    trials, _, _, classes = logits.shape
    logits = np.repeat(logits[None, :, None], 2, axis=2)
    wrong = (logits.argmax(-1) != target).mean(-1)
    error = np.repeat(wrong[:, :, :, None], 3, axis=3)
    return by_hand(
        error,
        np.full((1, trials, 2, 3), ensemble),
        lam=(0.5,),
        classes=classes,
        logits={"test": logits},
        target={"test": target},
    ).seal_all()


@pytest.mark.slow
def test_three_that_are_each_wrong_on_another_third_are_right_by_vote(by_hand):
    target = np.zeros(6, int)
    predicted = np.zeros((3, 6), int)
    for member in range(3):
        predicted[member, [2 * member, 2 * member + 1]] = 1
    run = run_of(by_hand, np.eye(2)[predicted][None], target, 0.0)
    result = probe.ask(run, Options()).isel(lam=0, trial=0, epoch=1).sel(split="test")
    expected = {
        "majority_error": 0,
        "majority_diversity_effect": 1 / 3,
        "improvement_rate": 1,
        "disagreement": 2 / 3,
        "disagreement_rate": 4 / 3,
        "tandem_loss": 1 / 9,
        "vote_variance": 2 / 9,
        "half_wrong": 0,
        "polarization": np.nan,
    }
    measured = {name: float(result[name]) for name in expected}
    assert measured == pytest.approx(expected, abs=1e-14, nan_ok=True)
    [finding] = probe.judge(probe.ask(run, Options()))
    assert finding.sentence == (
        "λ = 0.5: on test, the error of the majority vote is 0.0 %, that of the ensemble 0.0 %, "
        "and the mean error of the members 33.3 %; two members disagree on 66.7 % of the examples "
        "(disagreement-error ratio DER = 1.33, ensemble improvement rate EIR = 1.00). Majority "
        "vote minus ensemble: 0.00 percentage points in a single trial (only the former is wrong "
        "on 0 test examples, only the latter on 0; McNemar's test, p = 1, not significant)."
    )


@pytest.mark.slow
def test_half_of_the_members_is_not_more_than_half(by_hand):
    target = np.zeros(4, int)
    predicted = np.array([[0, 0, 1, 1], [0, 1, 1, 0]])
    run = run_of(by_hand, np.eye(2)[predicted][None], target, 0.0)
    last = probe.ask(run, Options()).isel(lam=0, trial=0, epoch=1).sel(split="test")
    assert float(last["half_wrong"]) == 0.25
    assert float(last["polarization"]) == (0.25 + 0.25 + 1) / 4 / 0.25
    assert float(last["majority_error"]) == 0.5


@pytest.mark.slow
def test_the_difference_between_vote_and_averaged_logits_is_reported(by_hand):
    target = np.zeros(10, int)
    logits = np.zeros((2, 3, 10, 2))
    logits[:, 0, :, 0] = 9  # one is right, two are wrong
    logits[:, 1:, :, 1] = 1
    [finding] = probe.judge(probe.ask(run_of(by_hand, logits, target, 0.0), Options()))
    assert finding.number == 1
    assert finding.sentence.endswith(
        " Majority vote minus ensemble: +100.00 percentage points in each of 2 trials (no spread, "
        "so not tested)."
    )


def by_trial(result, majority, ensemble):
    """The result with other errors (lam, trial) of the vote and of the ensemble."""
    changed = result.copy(deep=True)
    changed["majority_error"][:] = np.asarray(majority)[:, :, None, None]
    gap = changed["mean_member_error"] - np.asarray(ensemble)[:, :, None, None]
    changed["diversity_effect"][:] = gap
    return [finding.sentence for finding in probe.judge(changed)]


def test_intervals_hold_for_all_lambdas_together(result):
    majority, ensemble = np.array([[0.10, 0.11]] * 3), np.full((3, 2), 0.08)
    first, *_ = by_trial(result, majority, ensemble)
    reach = 100 * 0.005 * student.isf(0.025 / 3, 1)
    ends = f"{2.5 - reach:+.2f} to {2.5 + reach:+.2f}".replace("-", "−")
    assert f"+2.50 percentage points (95 % interval {ends}, not significant; a diff" in first
    alone = by_trial(result.sel(lam=[0.9]), majority[:1], ensemble[:1])
    reach = 100 * 0.005 * student.isf(0.025, 1)
    assert f"{2.5 - reach:+.2f} to {2.5 + reach:+.2f}".replace("-", "−") in alone[0]


def test_examples_that_only_one_gets_wrong_are_counted(toy, result):
    for lane in toy.lanes:
        [block] = toy.outputs(lane, 3, "test")
        votes = (block.logits.argmax(-1)[..., None] == np.arange(3)).sum(0)
        tied = (votes == votes.max(-1, keepdims=True)).sum(-1) > 1
        vote = votes.argmax(-1) != block.target
        ensemble = block.logits.mean(0).argmax(-1) != block.target
        at = result.isel(lam=lane.lam_index, trial=lane.trial).sel(epoch=3, split="test")
        for name, only in (
            ("vote_only_wrong", vote & ~ensemble),
            ("ensemble_only_wrong", ensemble & ~vote),
        ):
            assert abs(float(at[name]) - only[~tied].sum()) <= tied.sum(), name


@pytest.mark.slow
def test_a_diverged_member_makes_its_own_lane_nan(by_hand):
    target = np.zeros(4, int)
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 2))
    logits[0, 1, 2] = np.nan
    result = probe.ask(run_of(by_hand, logits, target, 0.2), Options()).isel(lam=0, epoch=1)
    majority_error = result["majority_error"].sel(split="test")
    assert majority_error.notnull().values.tolist() == [False, True]
    assert result["polarization"].sel(split="test", trial=0).isnull()


@pytest.mark.slow
def test_members_that_are_always_right_have_no_rates(by_hand):
    target = np.arange(4) % 2
    run = run_of(by_hand, np.broadcast_to(np.eye(2)[target], (1, 3, 4, 2)), target, 0.0)
    last = probe.ask(run, Options()).isel(lam=0, trial=0, epoch=1).sel(split="test")
    for name in ("improvement_rate", "disagreement_rate", "polarization"):
        assert last[name].isnull()
    assert last["tandem_loss"] == 0
    [finding] = probe.judge(probe.ask(run, Options()))
    assert "DER and EIR are undefined" in finding.sentence


@pytest.mark.slow
def test_a_single_member_has_no_finding(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], members={"count": 1}, train={"epochs": 1})
    result = probe.ask(run, Options())
    kept = result.sel(split=["val", "test"])
    assert kept["disagreement"].isnull().all()
    assert (kept["disagreement_rate"] == 0).all()
    np.testing.assert_allclose(kept["majority_error"], kept["mean_member_error"], atol=1e-15)
    assert probe.judge(result) == []
