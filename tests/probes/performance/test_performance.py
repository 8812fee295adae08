import itertools
import math
from statistics import mean, median, stdev

import numpy as np
import pytest
import xarray as xr
from scipy.stats import sem

from jtdiag import names
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.performance.performance import best_lam, probe, standard_error


class TestPerformance(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def asked(toy):
    return probe.ask(toy, Options())


def test_each_lane_is_measured_at_the_epoch_that_validation_chose(toy, asked):
    metrics = toy.metrics()
    for lane in toy.lanes:
        at = (lane.lam_index, lane.trial)
        by_epoch = metrics[names.ENSEMBLE_ERROR].sel(split="val").values[at].tolist()
        epoch = 1 + by_epoch[1:].index(min(by_epoch[1:]))
        assert asked["chosen_epoch"].values[at] == epoch
        for i, split in enumerate(("train", "val", "test")):
            lane_metrics = metrics.sel(split=split).isel(lam=at[0], trial=at[1], epoch=epoch)
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
            found = {name: asked[name].values[(*at, i)] for name in expected}
            assert found == pytest.approx(expected, rel=1e-13)


def test_means_and_standard_errors_are_over_trials(asked):
    for name in ("ensemble_error", "worst_member_error", "diversity"):
        for at in np.ndindex(3, 3):
            trials = asked[name].values[at[0], :, at[1]].tolist()
            assert asked[f"{name}_mean"].values[at] == pytest.approx(mean(trials), rel=1e-13)
            assert asked[f"{name}_se"].values[at] == pytest.approx(
                stdev(trials) / math.sqrt(2), rel=1e-12, abs=1e-17
            )


@pytest.mark.parametrize("known", [2, 3, 5])
def test_the_standard_error_is_scipys_and_leaves_out_what_is_unknown(known):
    values = np.random.default_rng(1).normal(0, 1, (3, 5))
    values[:, known:] = np.nan
    found = standard_error(xr.DataArray(values, dims=("lam", "trial")))
    np.testing.assert_allclose(found, sem(values[:, :known], axis=1), rtol=1e-13)


@pytest.mark.parametrize("known", [0, 1])
def test_one_trial_has_no_standard_error(known):
    values = np.array([[1.0] * known + [np.nan] * (2 - known)])
    assert np.isnan(standard_error(xr.DataArray(values, dims=("lam", "trial")))).all()


# --- runs written by hand -------------------------------------------------------------------------


def run_with(by_hand, test_errors, lam, val_errors=None, **more):
    """A run of two members with these ensemble errors (lam, trial, epoch) on test."""
    test_errors = np.asarray(test_errors, float)
    ensemble = np.stack(3 * [test_errors], -1)
    if val_errors is not None:
        ensemble[..., 1] = val_errors
    members = np.repeat(ensemble[..., None], 2, -1)
    return by_hand(members, ensemble, lam=lam, **more)


def test_among_equal_epochs_the_earliest_counts_and_epoch_0_never(by_hand):
    run = run_with(by_hand, [[[0.5, 0.4, 0.3, 0.2]]], (0.0,), [[[0.1, 0.4, 0.2, 0.2]]]).seal_all()
    asked = probe.ask(run, Options())
    assert asked["chosen_epoch"].item() == 2
    assert asked["ensemble_error_mean"].sel(split="test").item() == 0.3


def test_without_validation_the_last_epoch_counts(by_hand):
    ensemble = np.broadcast_to([0.5, 0.1, 0.4], (1, 1, 3))[..., None].repeat(2, -1)
    run = by_hand(ensemble[..., None].repeat(2, -1), ensemble, lam=(0.0,), val=0).seal_all()
    asked = probe.ask(run, Options())
    assert asked["chosen_epoch"].item() == 2
    assert asked["ensemble_error"].sel(split="test").item() == 0.4
    assert asked["split"].values.tolist() == ["train", "test"]


def test_lanes_that_have_not_begun_are_left_out_of_the_means(by_hand):
    made = run_with(by_hand, [[[0.9, 0.2], [0.9, 0.4]], [[0.9, 0.6], [0.9, 0.8]]], (0.0, 1.0))
    made.seal_up_to(1, *made.run.lanes[:3])
    asked = probe.ask(made.run, Options())
    assert asked["chosen_epoch"].values.tolist() == [[1, 1], [1, -1]]
    on_test = asked.sel(split="test")
    np.testing.assert_allclose(on_test["ensemble_error_mean"], [0.3, 0.6])
    np.testing.assert_allclose(on_test["ensemble_error_se"], [0.1, np.nan])
    assert np.isnan(on_test["ensemble_error"].sel(lam=1, trial=1))


def test_a_lambda_that_has_not_begun_is_not_the_best(by_hand):
    made = run_with(by_hand, [[[0.9, 0.2]], [[0.9, 0.1]]], (0.0, 1.0))
    made.seal_up_to(1, made.run.lanes[0])
    [one] = probe.judge(probe.ask(made.run, Options()))
    assert one.sentence == "λ = 0: lowest test error of the ensemble, 20.0 %."


# --- what it says ---------------------------------------------------------------------------------


def test_the_best_lambda_is_told_against_both_ends(by_hand):
    errors = [
        [[0.9, 0.10], [0.9, 0.12]],
        [[0.9, 0.39], [0.9, 0.41]],
        [[0.9, 0.20], [0.9, 0.20]],
    ]
    run = run_with(by_hand, errors, (0.9, 1.0, 0.0)).seal_all()
    [one] = probe.judge(probe.ask(run, Options()))
    assert (one.level, one.lam, one.number) == ("info", 0.9, pytest.approx(0.11))
    assert one.sentence == (
        "λ = 0.9: lowest test error of the ensemble, 11.0 % ± 1.0, against independent training "
        "(λ = 0) 20.0 % ± 0.0 and end-to-end training (λ = 1) 40.0 % ± 1.0."
    )


def test_a_difference_below_two_standard_errors_is_not_called_clear(by_hand):
    errors = [[[0.9, 0.10], [0.9, 0.20]], [[0.9, 0.11], [0.9, 0.21]]]
    run = run_with(by_hand, errors, (0.5, 1.0)).seal_all()
    [one] = probe.judge(probe.ask(run, Options()))
    assert one.sentence.endswith("(λ = 1) 16.0 % ± 5.0 (no clear difference).")


def test_with_one_trial_nothing_is_said_of_doubt(by_hand):
    run = run_with(by_hand, [[[0.9, 0.10]], [[0.9, 0.11]]], (0.0, 1.0)).seal_all()
    [one] = probe.judge(probe.ask(run, Options()))
    assert one.sentence.endswith("10.0 %, against end-to-end training (λ = 1) 11.0 %.")


# --- learning rates -------------------------------------------------------------------------------


def test_the_result_says_the_learning_rate_of_every_lambda(tmp_path):
    lr = {"lr": [0.3, 0.2], "lr_scale": "members", "epochs": 1}
    asked = probe.ask(toy_run(tmp_path, lam=[0.0, 1.0], trials=1, train=lr), Options())
    assert asked["lr"].values == pytest.approx([0.9, 0.6])
    assert asked.attrs["lr_rule"] == "given"


def test_a_difference_that_may_be_the_learning_rates_is_told(by_hand):
    errors = [[[0.9, 0.10], [0.9, 0.20]], [[0.9, 0.11], [0.9, 0.21]], [[0.9, 0.3], [0.9, 0.3]]]
    run = run_with(by_hand, errors, (0.5, 1.0, 0.0)).seal_all()
    asked = probe.ask(run, Options()).assign(lr=("lam", [5.12, 1.536, 5.12]))
    [one] = probe.judge(asked)
    assert "(λ = 1) 16.0 % ± 5.0 (no clear difference, at learning rate 1.536 instead of 5.12)" in (
        one.sentence
    )
    assert "(λ = 0) 30.0 % ± 0.0 and" in one.sentence


@pytest.mark.parametrize("trials", [2, 3, 4])
def test_the_optimum_and_its_interval_are_those_of_all_resamples(trials):
    """Against the slow way: every resample of trials is drawn, and its best λ counted."""
    random = np.random.default_rng(trials)
    lams = [0.9, 0.0, 0.5]
    errors = 0.2 + 0.01 * random.normal(size=(3, trials))
    error = xr.DataArray(
        errors[:, :, None], dims=("lam", "trial", "split"), coords={"lam": lams, "split": ["test"]}
    )
    found = best_lam(error, seed=0)
    assert float(found["optimum"][0]) == lams[int(errors.mean(1).argmin())]
    best = sorted(
        lams[int(errors[:, list(drawn)].mean(1).argmin())]
        for drawn in itertools.product(range(trials), repeat=trials)
    )
    inside = [
        lam
        for lam in sorted(set(best))
        if np.mean([b <= lam for b in best]) > 0.025 and np.mean([b >= lam for b in best]) > 0.025
    ]
    assert [float(found[f"optimum_{end}"][0]) for end in ("low", "high")] == [inside[0], inside[-1]]


def test_one_trial_has_an_optimum_and_no_interval():
    error = xr.DataArray(
        [[[0.3]], [[0.1]], [[np.nan]]],
        dims=("lam", "trial", "split"),
        coords={"lam": [0.0, 0.5, 1.0], "split": ["test"]},
    )
    found = best_lam(error, seed=0)
    assert float(found["optimum"][0]) == 0.5
    assert np.isnan(found["optimum_low"][0])


def test_the_optimum_is_that_of_the_capacity_probe(toy, asked):
    other = PROBES.find("capacity").ask(toy, Options())
    for name in ("optimum", "optimum_low", "optimum_high"):
        np.testing.assert_array_equal(asked[name].values, other[name].values)
