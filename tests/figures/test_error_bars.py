import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import sem, t as student

from jtdiag.figures import error_bars
from jtdiag.probing import over_trials

NAN = np.nan


def test_means_and_intervals_are_over_the_trials_that_have_a_value():
    values = xr.DataArray([[1.0, 2.0, 6.0], [4.0, np.nan, 8.0], [3.0, np.nan, np.nan]])
    values = values.rename(dim_0="lam", dim_1="trial")
    mean, low, high = error_bars.over_trials(values.transpose("trial", "lam"))
    np.testing.assert_allclose(mean, [3, 6, 3])
    three = student.interval(0.95, 2, loc=3, scale=sem([1, 2, 6]))
    two = student.interval(0.95, 1, loc=6, scale=sem([4, 8]))
    np.testing.assert_allclose(low, [three[0], two[0], np.nan])
    np.testing.assert_allclose(high, [three[1], two[1], np.nan])


def test_a_result_with_intervals_and_one_of_an_older_version_give_the_same():
    by_trial = xr.Dataset({"error": (("lam", "trial"), [[0.1, 0.2, 0.4], [0.3, 0.3, 0.5]])})
    summary = over_trials.summary(by_trial)
    new = error_bars.of_result(summary, "error")
    old = error_bars.of_result(by_trial.assign(error_mean=summary["error_mean"]), "error")
    np.testing.assert_allclose(new, old, rtol=1e-12)
    np.testing.assert_allclose(new[0], [70 / 3, 110 / 3])
    assert new[1].min() == 0
    np.testing.assert_allclose(error_bars.in_percent(by_trial["error"]), new)


def test_intervals_around_means_have_the_degrees_of_freedom_of_their_trials():
    mean, se, trials = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), np.array([3, 5, 1])
    _, low, high = error_bars.around(mean, se, trials)
    np.testing.assert_allclose((high - mean)[:2], [0.1 * 4.302653, 0.2 * 2.776445], rtol=1e-6)
    np.testing.assert_allclose((mean - low)[:2], (high - mean)[:2])
    assert np.isnan(high[2])


def test_an_infinite_loss_has_no_interval_and_no_warning():
    values = xr.DataArray([[1.0, np.inf]], dims=("lam", "trial"))
    _, *ends = error_bars.over_trials(values)
    assert not np.isfinite(ends).any()


def ends(ax):
    [bars] = ax.containers[0].lines[2]
    return [segment[:, 1].tolist() for segment in bars.get_segments() if len(segment)]


def test_bars_end_where_the_intervals_do():
    ax = Figure().add_subplot()
    x = np.arange(2)
    error_bars.draw(ax, x, np.array([[5.0, 7.0], [4.0, NAN], [8.0, NAN]]), color="red")
    assert ends(ax) == [[4, 8], [7, 7]]
    assert ax.containers[0].lines[0].get_color() == "red"


def test_on_a_logarithmic_axis_bars_end_above_0_and_means_of_0_are_left_out():
    ax = Figure().add_subplot()
    x = np.arange(3)
    error_bars.draw_log(ax, x, np.array([[10.0, 1.0, 0.0], [8.0, -2.0, -1.0], [12.0, 4.0, 1.0]]))
    np.testing.assert_allclose(ends(ax)[0], [8, 12])
    np.testing.assert_allclose(ends(ax)[1], [0.1, 4])
    assert np.isnan(ax.containers[0].lines[0].get_ydata()).tolist() == [False, False, True]


def test_a_band_lies_between_0_and_100_and_is_absent_without_intervals():
    ax = Figure().add_subplot()
    x = np.arange(2)
    error_bars.fill(ax, x, np.array([[95.0, 5.0], [80.0, -9.0], [110.0, 19.0]]), "red")
    vertices = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (vertices.min(), vertices.max()) == (0, 100)
    error_bars.fill(ax, x, np.array([[95.0, 5.0], [NAN, NAN], [NAN, NAN]]), "red")
    assert len(ax.collections) == 1
