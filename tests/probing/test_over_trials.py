import numpy as np
import xarray as xr
from scipy.stats import sem, ttest_1samp

from jtdiag.probing import over_trials

VALUES = np.random.default_rng(0).normal(size=(2, 5))


def by_trial(values):
    return xr.Dataset({"error": (("lam", "trial"), values)})


def test_means_and_standard_errors_are_scipys():
    summary = over_trials.summary(by_trial(VALUES))
    assert set(summary) == {"error_mean", "error_se", "error_low", "error_high"}
    np.testing.assert_allclose(summary["error_mean"], VALUES.mean(1), rtol=1e-12)
    np.testing.assert_allclose(summary["error_se"], sem(VALUES, axis=1), rtol=1e-12)
    scipys = ttest_1samp(VALUES, 0, axis=1).confidence_interval(0.95)
    np.testing.assert_allclose(summary["error_low"], scipys.low, rtol=1e-12)
    np.testing.assert_allclose(summary["error_high"], scipys.high, rtol=1e-12)


def test_nan_is_ignored():
    values = VALUES.copy()
    values[0, 2] = np.nan
    summary = over_trials.summary(by_trial(values))
    np.testing.assert_allclose(summary["error_mean"][0], np.delete(values[0], 2).mean())
    np.testing.assert_allclose(summary["error_se"][0], sem(np.delete(values[0], 2)))


def test_a_single_trial_has_no_standard_error():
    summary = over_trials.summary(by_trial(VALUES[:, :1]))
    assert summary["error_se"].isnull().all()
    assert summary["error_low"].isnull().all()
    assert summary["error_mean"].notnull().all()


def test_the_variables_are_those_of_the_summary_with_their_meaning():
    variables = over_trials.variables("error", ("lam",), "1", "error of it", from_outputs=True)
    assert set(variables) == set(over_trials.summary(by_trial(VALUES)))
    assert variables["error_mean"].meaning == "error of it, mean over trials"
    assert all(var.from_outputs and var.dims == ("lam",) for var in variables.values())
