import numpy as np
import pytest
import xarray as xr

from jtdiag import stats
from jtdiag_probes.performance.optimum import best_lams, differences, smoothed

LAMS = [0.9, 0.0, 1.0, 0.5]
ERRORS = [[0.10, 0.12, 0.11], [0.20, 0.20, 0.21], [np.nan] * 3, [0.11, 0.12, np.nan]]


def of(errors, lams=LAMS):
    return xr.DataArray(
        np.asarray(errors, float)[..., None],
        dims=("lam", "trial", "split"),
        coords={"lam": lams, "split": ["test"]},
    )


def test_the_set_is_that_of_stats_in_the_order_of_the_lambdas():
    result = best_lams(of(ERRORS)).sel(split="test")
    assert float(result["optimum"]) == 0.9
    assert result["lam"].values.tolist() == LAMS
    np.testing.assert_array_equal(result["best_set"], [1, 0, np.nan, 1])
    np.testing.assert_array_equal(result["paired_trials"], [3, 3, 0, 2])
    assert stats.best_set(ERRORS).tolist() == [True, False, False, True]


def test_among_equal_means_the_smallest_lambda_is_the_optimum():
    assert float(best_lams(of([[0.1, 0.2], [0.2, 0.1]], [0.9, 0.5]))["optimum"][0]) == 0.5


def test_one_trial_has_an_optimum_and_leaves_nothing_out():
    result = best_lams(of([[0.3], [0.1], [np.nan]], [0.0, 0.5, 1.0])).sel(split="test")
    assert float(result["optimum"]) == 0.5
    np.testing.assert_array_equal(result["best_set"], [1, 1, np.nan])


def test_without_any_error_there_is_no_optimum():
    result = best_lams(of([[np.nan], [np.nan]], [0.0, 1.0])).sel(split="test")
    assert np.isnan(result["optimum"])
    assert result["best_set"].isnull().all()


def test_what_could_be_detected_is_that_of_all_pairs_of_measured_lambdas():
    result = differences(of(ERRORS)).sel(split="test")
    each = np.subtract(ERRORS[1], ERRORS[0])
    expected = stats.smallest_detectable(each, comparisons=3)
    assert float(result["difference_detectable"].sel(lam=0.0)) == pytest.approx(expected)
    assert np.isnan(result["difference_detectable"].sel(lam=[0.9, 1.0])).all()


def test_smoothing_keeps_a_line_but_for_its_ends():
    curve = smoothed(np.array([0.0, 1, 2, 3, 4]))
    np.testing.assert_allclose(curve, [1 / 3, 1, 2, 3, 4 - 1 / 3])
    np.testing.assert_allclose(smoothed(np.full(4, 2.0)), 2)
    np.testing.assert_allclose(smoothed(np.array([0.0, 4, 0])), [4 / 3, 2, 4 / 3])
    assert smoothed(np.array([1.0, 2])).tolist() == [1, 2]
