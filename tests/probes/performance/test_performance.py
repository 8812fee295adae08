import math
import re
from statistics import mean, median, stdev

import numpy as np
import pytest
import xarray as xr
from scipy.stats import sem, ttest_rel

from jtdiag import names, stats
from jtdiag.probing.contract import Options
from jtdiag.probing.over_trials import standard_error
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.performance.optimum import best_lams, differences
from jtdiag_probes.performance.performance import probe
from jtdiag_probes.performance.performance_verdict import _comparison
from jtdiag_probes.performance.wording import Error, best_lambda


@pytest.mark.slow
class TestPerformance(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def asked(toy):
    return probe.ask(toy, Options())


def test_each_lane_is_measured_at_the_epoch_that_validation_chose(toy, asked):
    metrics = toy.metrics()
    for lane in toy.lanes:
        index = (lane.lam_index, lane.trial)
        by_epoch = metrics[names.ENSEMBLE_ERROR].sel(split="val").values[index].tolist()
        epoch = 1 + by_epoch[1:].index(min(by_epoch[1:]))
        assert asked["chosen_epoch"].values[index] == epoch
        for i, split in enumerate(("train", "val", "test")):
            lane_metrics = metrics.sel(split=split).isel(lam=index[0], trial=index[1], epoch=epoch)
            errors = lane_metrics[names.MEMBER_ERROR].values.tolist()
            losses = lane_metrics[names.MEMBER_LOSS].values.tolist()
            ensemble_loss = float(lane_metrics[names.ENSEMBLE_LOSS])
            expected = {
                "ensemble_error": float(lane_metrics[names.ENSEMBLE_ERROR]),
                "ensemble_loss": ensemble_loss,
                "best_member_error": min(errors),
                "median_member_error": median(errors),
                "worst_member_error": max(errors),
                "mean_member_loss": mean(losses),
                "diversity": mean(losses) - ensemble_loss,
            }
            measured = {name: asked[name].values[(*index, i)] for name in expected}
            assert measured == pytest.approx(expected, rel=1e-13)


def test_means_and_standard_errors_are_over_trials(asked):
    for name in ("ensemble_error", "worst_member_error", "diversity"):
        for lam, split in np.ndindex(3, 3):
            trials = asked[name].values[lam, :, split].tolist()
            assert asked[f"{name}_mean"].values[lam, split] == pytest.approx(
                mean(trials), rel=1e-13
            )
            assert asked[f"{name}_se"].values[lam, split] == pytest.approx(
                stdev(trials) / math.sqrt(2), rel=1e-12, abs=1e-17
            )


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_standard_error_is_scipys_and_leaves_out_what_is_unknown(count):
    values = np.random.default_rng(1).normal(0, 1, (3, 5))
    values[:, count:] = np.nan
    se = standard_error(xr.DataArray(values, dims=("lam", "trial")))
    np.testing.assert_allclose(se, sem(values[:, :count], axis=1), rtol=1e-13)


@pytest.mark.parametrize("count", [0, 1])
def test_one_trial_has_no_standard_error(count):
    values = np.array([[1.0] * count + [np.nan] * (2 - count)])
    assert np.isnan(standard_error(xr.DataArray(values, dims=("lam", "trial")))).all()


# --- constructed runs -----------------------------------------------------------------------------


def run_with(by_hand, test_errors, lam, val_errors=None, **more):
    """A run of two members with these ensemble errors (lam, trial, epoch) on test."""
    test_errors = np.asarray(test_errors, float)
    ensemble = np.stack(3 * [test_errors], -1)
    if val_errors is not None:
        ensemble[..., 1] = val_errors
    members = np.repeat(ensemble[..., None], 2, -1)
    return by_hand(members, ensemble, lam=lam, **more)


@pytest.mark.slow
def test_among_equal_epochs_the_earliest_counts_and_epoch_0_never(by_hand):
    run = run_with(by_hand, [[[0.5, 0.4, 0.3, 0.2]]], (0.0,), [[[0.1, 0.4, 0.2, 0.2]]]).seal_all()
    asked = probe.ask(run, Options())
    assert asked["chosen_epoch"].item() == 2
    assert asked["ensemble_error_mean"].sel(split="test").item() == 0.3


@pytest.mark.slow
def test_without_validation_the_last_epoch_counts(by_hand):
    ensemble = np.broadcast_to([0.5, 0.1, 0.4], (1, 1, 3))[..., None].repeat(2, -1)
    run = by_hand(ensemble[..., None].repeat(2, -1), ensemble, lam=(0.0,), val=0).seal_all()
    asked = probe.ask(run, Options())
    assert asked["chosen_epoch"].item() == 2
    assert asked["ensemble_error"].sel(split="test").item() == 0.4
    assert asked["split"].values.tolist() == ["train", "test"]


@pytest.mark.slow
def test_lanes_that_have_not_begun_are_left_out_of_the_means(by_hand):
    made = run_with(by_hand, [[[0.9, 0.2], [0.9, 0.4]], [[0.9, 0.6], [0.9, 0.8]]], (0.0, 1.0))
    made.seal_up_to(1, *made.run.lanes[:3])
    asked = probe.ask(made.run, Options())
    assert asked["chosen_epoch"].values.tolist() == [[1, 1], [1, -1]]
    on_test = asked.sel(split="test")
    np.testing.assert_allclose(on_test["ensemble_error_mean"], [0.3, 0.6])
    np.testing.assert_allclose(on_test["ensemble_error_se"], [0.1, np.nan])
    assert np.isnan(on_test["ensemble_error"].sel(lam=1, trial=1))


@pytest.mark.slow
def test_a_lambda_that_has_not_begun_is_not_the_best(by_hand):
    made = run_with(by_hand, [[[0.9, 0.2]], [[0.9, 0.1]]], (0.0, 1.0))
    made.seal_up_to(1, made.run.lanes[0])
    [best, _] = probe.judge(probe.ask(made.run, Options()))
    assert best.sentence == "λ = 0: the test error of the ensemble is 20.0 %."


# --- differences ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("lams", [(0.9, 1.0, 0.0), (0.0, 0.9, 1.0)])
def test_differences_are_those_of_pairs_from_the_lowest_mean_whatever_the_order(by_hand, lams):
    errors = {0.9: [0.10, 0.12, 0.11], 1.0: [0.39, 0.41, 0.43], 0.0: [0.20, 0.20, 0.21]}
    run = run_with(by_hand, [[[0.9, e] for e in errors[lam]] for lam in lams], lams).seal_all()
    on_test = probe.ask(run, Options()).sel(split="test")
    for lam in (0.0, 1.0):
        row = on_test.sel(lam=lam)
        scipys = ttest_rel(errors[lam], errors[0.9]).confidence_interval(1 - 0.05 / 3)
        assert float(row["difference_mean"]) == pytest.approx(mean(errors[lam]) - 0.11)
        assert float(row["difference_low"]) == pytest.approx(scipys.low, rel=1e-9)
        assert float(row["difference_high"]) == pytest.approx(scipys.high, rel=1e-9)
    best = on_test.sel(lam=0.9)
    assert float(best["difference_mean"]) == 0
    assert np.isnan(best["difference_low"])


def test_a_single_trial_and_a_lambda_without_trials_have_no_interval():
    error = xr.DataArray(
        [[[0.3]], [[0.1]], [[np.nan]]],
        dims=("lam", "trial", "split"),
        coords={"lam": [0.0, 0.5, 1.0], "split": ["test"]},
    )
    result = differences(error).sel(split="test")
    np.testing.assert_allclose(result["difference_mean"], [0.2, 0, np.nan])
    assert np.isnan(result["difference_low"]).all()
    assert np.isnan(result["difference_high"]).all()


# --- findings -------------------------------------------------------------------------------------


def findings(by_hand, errors, lams, **more):
    run = run_with(by_hand, [[[0.9, e] for e in row] for row in errors], lams, **more).seal_all()
    return {finding.rule: finding for finding in probe.judge(probe.ask(run, Options()))}


ERROR = Error(over_trials=stats.Interval(1, 0, 2), population=stats.Interval(1, 0, 2))
CLEAR = [[0.10, 0.12, 0.11], [0.39, 0.41, 0.43], [0.20, 0.20, 0.21]]
UNCLEAR = [[0.10, 0.14, 0.12], [0.13, 0.10, 0.14], [0.40, 0.41, 0.42]]


@pytest.mark.slow
def test_the_best_lambda_is_reported_against_all_others(by_hand):
    finding = findings(by_hand, CLEAR, (0.9, 1.0, 0.0))["best-lambda"]
    assert (finding.level, finding.lam, finding.number) == ("info", 0.9, pytest.approx(0.11))
    assert finding.sentence == (
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 % (95 % interval 8.5 to 13.5 %). "
        "λ = 0 (independent training, +9.33 points, 95 % interval +4.23 to +14.43) and λ = 1 "
        "(end-to-end training, +30.00 points, 95 % interval +22.35 to +37.65) are significantly "
        "worse."
    )
    assert finding.headline == (
        "λ = 0.9 is best, with a test error of 11.0 % (95 % interval 8.5 to 13.5 %)"
    )


@pytest.mark.slow
def test_a_lambda_whose_interval_includes_0_is_not_called_worse(by_hand):
    finding = findings(by_hand, UNCLEAR, (0.5, 1.0, 0.0))["best-lambda"]
    assert re.search(
        r"Not significantly different from the best: λ = 1 \(end-to-end training, \+0.33 points, "
        r"95 % interval −[\d.]+ to \+[\d.]+\). There, a difference of [\d.]+ points would have "
        r"been detected with a probability of 80 %. λ = 0 \(independent training, \+29.00 "
        r"points, 95 % interval \+[\d.]+ to \+[\d.]+\) is significantly worse.$",
        finding.sentence,
    )
    assert finding.headline.endswith("not significantly different from λ = 1")


@pytest.mark.slow
def test_the_same_difference_in_all_trials_is_not_significant(by_hand):
    errors = [[0.10, 0.20, 0.15], [0.102, 0.202, 0.152]]
    finding = findings(by_hand, errors, (0.9, 0.5))["best-lambda"]
    assert finding.sentence.endswith(
        "Not significantly different from the best: λ = 0.5 (+0.20 points in each of 3 trials)."
    )


@pytest.mark.slow
@pytest.mark.parametrize(("trials", "few"), [(1, "One trial is"), (2, "2 trials are")])
def test_in_one_or_two_trials_nothing_is_called_worse(by_hand, trials, few):
    errors = [[0.10, 0.11][:trials], [0.90, 0.91][:trials]]
    finding = findings(by_hand, errors, (0.0, 1.0))["best-lambda"]
    assert f"{few} too few to test differences between λs: λ = 1 " in finding.sentence
    assert "worse" not in finding.sentence


def test_the_finding_and_the_intervals_of_the_result_never_disagree():
    """Of simulated trials, with and without differences: what the claims of test_coverage are."""
    random = np.random.default_rng(0)
    different = 0
    for run in range(60):
        trials, lams = 2 + run % 4, (0.0, 0.5, 0.9, 1.0)
        errors = (
            0.2 + 0.002 * random.normal(size=(4, trials)) + 0.05 * (run % 3) * random.random((4, 1))
        )
        error = xr.DataArray(
            errors[..., None],
            dims=("lam", "trial", "split"),
            coords={"lam": list(lams), "split": ["test"]},
        )
        on_test = xr.merge([best_lams(error), differences(error)]).sel(split="test")
        best, chosen = float(on_test["optimum"]), stats.best_set(errors)
        compared = [_comparison(on_test, lam) for lam in lams if lam != best]
        assert [c.worse for c in compared] == [
            not in_set for lam, in_set in zip(lams, chosen, strict=True) if lam != best
        ]
        sentence = best_lambda(best, ERROR, compared)
        assert ("significantly worse" in sentence) == (not chosen.all())
        different += not chosen.all()
    assert 10 < different < 50


# --- end to end -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_end_to_end_training_is_compared_with_independent_training_in_pairs(by_hand):
    errors = [[0.10, 0.12, 0.11], [0.39, 0.41, 0.43], [0.20, 0.20, 0.21]]
    run = run_with(by_hand, [[[0.9, e] for e in row] for row in errors], (0.9, 1.0, 0.0)).seal_all()
    asked = probe.ask(run, Options())
    scipys = ttest_rel(errors[1], errors[2]).confidence_interval(0.95)
    assert float(asked["end_to_end_mean"]) == pytest.approx(mean(errors[1]) - mean(errors[2]))
    assert float(asked["end_to_end_low"]) == pytest.approx(scipys.low, rel=1e-9)
    assert float(asked["end_to_end_high"]) == pytest.approx(scipys.high, rel=1e-9)
    assert int(asked["end_to_end_trials"]) == 3
    assert float(asked["end_to_end_detectable"]) == pytest.approx(
        stats.smallest_detectable(np.subtract(errors[1], errors[2]))
    )
    [finding] = [f for f in probe.judge(asked) if f.rule == "end-to-end"]
    assert (finding.lam, finding.number) == (1.0, pytest.approx(0.2067, abs=1e-4))
    assert "has a significantly higher test error" in finding.sentence


@pytest.mark.slow
def test_without_both_ends_there_is_no_finding_about_end_to_end_training(by_hand):
    assert "end-to-end" not in findings(by_hand, CLEAR, (0.9, 1.0, 0.5))


@pytest.mark.slow
def test_one_trial_without_outputs_cannot_test_end_to_end_training(by_hand):
    finding = findings(by_hand, [[0.10], [0.90]], (0.0, 1.0))["end-to-end"]
    assert finding.sentence.startswith("One trial is too few to test whether end-to-end training")


@pytest.mark.slow
def test_of_one_trial_with_outputs_the_test_examples_are_pairs(by_hand):
    """λ = 1 is wrong on 9 of the 40 examples on which λ = 0 is right, and right on 2 others."""
    target = np.arange(40) % 3
    logits = np.zeros((2, 1, 2, 2, 40, 3))
    right = np.ones((2, 40), bool)
    right[1, :9], right[0, 9:11] = False, False
    for lam in (0, 1):
        said = np.where(right[lam], target, (target + 1) % 3)
        logits[lam, 0, :, :] = np.eye(3)[said]
    errors = np.array([2 / 40, 9 / 40])
    ensemble = np.broadcast_to(errors[:, None, None, None], (2, 1, 2, 3))
    run = by_hand(
        ensemble[..., None].repeat(2, -1),
        ensemble,
        lam=(0.0, 1.0),
        classes=3,
        logits={names.TEST: logits},
        target={names.TEST: target},
    ).seal_all()
    asked = probe.ask(run, Options())
    counts = [int(asked[f"end_to_end_{name}"]) for name in ("trials", "wins", "losses")]
    assert counts == [1, 2, 9]
    interval = stats.paired_fractions(9, 2, 40)
    assert float(asked["end_to_end_low"]) == pytest.approx(interval.low)
    assert float(asked["end_to_end_high"]) == pytest.approx(interval.high)
    [finding] = [f for f in probe.judge(asked) if f.rule == "end-to-end"]
    assert "p = 0.065" in finding.sentence
    assert "not significantly different" in finding.sentence


# --- new test examples ----------------------------------------------------------------------------


def test_the_interval_of_the_population_is_that_of_the_number_of_test_examples(toy, asked):
    examples = len(toy.target(names.TEST, toy.lanes[0]))
    for lam in asked["lam"].values:
        row = asked.sel(lam=lam)
        expected = stats.population_interval(row["ensemble_error"].sel(split="test"), examples)
        assert float(row["population_low"]) == pytest.approx(expected.low)
        assert float(row["population_high"]) == pytest.approx(expected.high)


@pytest.mark.slow
def test_diversity_is_reported_at_the_best_lambda(by_hand):
    finding = findings(by_hand, CLEAR, (0.9, 1.0, 0.0))["diversity"]
    assert finding.lam == 0.9
    assert "the mean loss of its members is higher by " in (finding.sentence)


@pytest.mark.slow
def test_a_single_member_has_no_diversity(by_hand):
    ensemble = np.full((1, 2, 2, 3), 0.4)
    run = by_hand(ensemble[..., None], ensemble, lam=(0.0,)).seal_all()
    assert [f.rule for f in probe.judge(probe.ask(run, Options()))] == ["best-lambda"]


@pytest.mark.slow
def test_errors_of_other_families_are_named(by_hand):
    run = run_with(by_hand, [[[0.9, 0.1]]], (0.0,)).seal_all()
    asked = probe.ask(run, Options()).assign_attrs(error_measure="fraction of deviance unexplained")
    assert "the test error of the ensemble (fraction of deviance unexplained) is 10.0 %" in (
        probe.judge(asked)[0].sentence
    )


# --- learning rates -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_result_says_the_learning_rate_of_every_lambda(tmp_path):
    lr = {"lr": [0.3, 0.2], "lr_scale": "members", "epochs": 1}
    asked = probe.ask(toy_run(tmp_path, lam=[0.0, 1.0], trials=1, train=lr), Options())
    assert asked["lr"].values == pytest.approx([0.9, 0.6])
    assert asked.attrs["lr_rule"] == "given"


@pytest.mark.slow
def test_learning_rates_that_differ_are_named(by_hand):
    errors = [[[0.9, e] for e in row] for row in UNCLEAR]
    run = run_with(by_hand, errors, (0.5, 1.0, 0.0)).seal_all()
    asked = probe.ask(run, Options()).assign(lr=("lam", [5.12, 1.536, 5.12]))
    assert probe.judge(asked)[0].sentence.endswith(
        "Learning rates differ (5.12 at λ = 0 and 0.5; 1.536 at λ = 1), so differences may be due "
        "to them."
    )
