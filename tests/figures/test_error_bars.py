import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import sem

from jtdiag.figures import error_bars


def test_means_and_standard_errors_are_over_the_trials_that_have_a_value():
    values = xr.DataArray([[1.0, 2.0, 6.0], [4.0, np.nan, 8.0], [3.0, np.nan, np.nan]])
    values = values.rename(dim_0="lam", dim_1="trial")
    mean, se = error_bars.over_trials(values.transpose("trial", "lam"))
    np.testing.assert_allclose(mean, [3, 6, 3])
    np.testing.assert_allclose(se, [sem([1, 2, 6]), sem([4, 8]), np.nan])


def test_an_infinite_loss_has_no_standard_error_and_no_warning():
    values = xr.DataArray([[1.0, np.inf]], dims=("lam", "trial"))
    _, se = error_bars.over_trials(values)
    assert not np.isfinite(se).any()


def ends(ax):
    [bars] = ax.containers[0].lines[2]
    return [segment[:, 1].tolist() for segment in bars.get_segments() if len(segment)]


def test_bars_have_a_length_of_one_standard_error_to_each_side():
    ax = Figure().add_subplot()
    x = np.arange(2)
    error_bars.draw(ax, x, np.array([5.0, 7.0]), np.array([1.0, np.nan]), color="red")
    assert ends(ax) == [[4, 6], [7, 7]]
    assert ax.containers[0].lines[0].get_color() == "red"


def test_on_a_logarithmic_axis_bars_end_above_0_and_means_of_0_are_left_out():
    ax = Figure().add_subplot()
    x = np.arange(3)
    error_bars.draw_log(ax, x, np.array([10.0, 1.0, 0.0]), np.array([2.0, 3.0, 1.0]))
    np.testing.assert_allclose(ends(ax)[0], [8, 12])
    np.testing.assert_allclose(ends(ax)[1], [0.1, 4])
    assert np.isnan(ax.containers[0].lines[0].get_ydata()).tolist() == [False, False, True]
