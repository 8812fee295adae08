import numpy as np
import pytest
import xarray as xr

from jtdiag.figures.kinds import error_against_lambda
from jtdiag.figures.kinds.error_against_lambda import draw
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

LAMS = [1.0, 0.0, 0.9]
TRIALS = np.array([[0.52, 0.40, 0.34], [0.20, 0.22, 0.24], [0.10, 0.14, 0.12]])


@pytest.fixture
def result():
    """Three trials at three λ in no order; on the other splits the errors are others."""
    errors = np.stack([0 * TRIALS, 0 * TRIALS + 0.9, TRIALS], -1)
    return xr.Dataset(
        {
            "ensemble_error": (("lam", "trial", "split"), errors),
            "ensemble_error_mean": (("lam", "split"), errors.mean(1)),
            "ensemble_error_low": (("lam", "split"), errors.mean(1) - 0.01),
            "ensemble_error_high": (("lam", "split"), errors.mean(1) + 0.03),
        },
        coords={"lam": LAMS, "trial": [0, 1, 2], "split": ["train", "val", "test"]},
    )


def drawn(result):
    [axes] = draw([("toy", result)]).axes
    return axes


def test_the_line_is_the_mean_test_error_in_percent_sorted_by_lambda(result):
    axes = drawn(result)
    line = axes.containers[0].lines[0]
    assert line.get_xdata().tolist() == [0, 1, 2]
    np.testing.assert_allclose(line.get_ydata(), [22, 12, 42])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "0.9", "1"]


def test_bars_are_the_intervals(result):
    [bars] = drawn(result).containers[0].lines[2]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, [[21, 25], [11, 15], [41, 45]])


def test_dots_are_the_trials(result):
    dots = [line for line in drawn(result).lines if line.get_marker() == "."]
    np.testing.assert_allclose(
        [dot.get_ydata() for dot in dots], [[20, 10, 52], [22, 14, 40], [24, 12, 34]]
    )


def test_with_one_trial_there_are_no_bars(result):
    result["ensemble_error_low"][:] = result["ensemble_error_high"][:] = np.nan
    [bars] = drawn(result.isel(trial=[0])).containers[0].lines[2]
    assert all(np.ptp(segment[:, 1]) == 0 for segment in bars.get_segments())


def test_a_lambda_without_a_completed_epoch_is_left_out(result):
    begun = result["lam"] != 0.9
    for name in ("ensemble_error", "ensemble_error_mean"):
        result[name] = result[name].where(begun)
    axes = drawn(result)
    np.testing.assert_allclose(axes.containers[0].lines[0].get_ydata(), [22, 42])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1"]


def marks(axes):
    return [line for line in axes.lines if line.get_markersize() == 8]


def test_the_lowest_is_marked_and_what_is_not_different_has_a_ring(result):
    """λ = 0 is worse than 0.9 by 10, 8 and 12 points, λ = 1 by 42, 26 and 22."""
    lowest, similar = marks(drawn(result))
    assert (lowest.get_xdata().tolist(), lowest.get_ydata()) == ([1], pytest.approx([12]))
    assert lowest.get_markerfacecolor() != "none"
    assert (similar.get_xdata().tolist(), similar.get_ydata()) == ([2], pytest.approx([42]))
    assert similar.get_markerfacecolor() == "none"


def test_with_two_trials_only_the_lowest_is_marked(result):
    lowest, similar = marks(drawn(result.isel(trial=[0, 1])))
    assert lowest.get_xdata().tolist() == [1]
    assert len(similar.get_xdata()) == 0


def test_several_runs_share_the_axes_and_each_has_a_look_of_its_own(result):
    other = result.sel(lam=[0.0, 0.9]).copy(deep=True)
    figure = draw([("16 members", result), ("256 members", other)])
    [axes] = figure.axes
    first, second = (container.lines[0] for container in axes.containers)
    assert first.get_xdata().tolist() == [0, 1, 2]
    assert second.get_xdata().tolist() == [0, 1]
    assert [c.get_label() for c in axes.containers] == ["16 members", "256 members"]
    for name in ("color", "marker", "linestyle"):
        assert getattr(first, f"get_{name}")() != getattr(second, f"get_{name}")()
    assert [line for line in axes.lines if line.get_marker() == "."] == []
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["16 members", "256 members"]


def words(axes):
    return {text.get_text(): text.xy[0] for text in axes.texts}


def test_lambda_0_and_1_are_labeled_where_they_are_drawn(result):
    assert words(drawn(result)) == {"independent": 0, "end to end": 1}
    assert words(drawn(result.sel(lam=[0.9, 1.0]))) == {"end to end": 1}
    assert words(drawn(result.sel(lam=[0.9]))) == {}


def test_axes_say_what_they_are_in_percent(result):
    axes = drawn(result)
    assert axes.get_ylabel() == "Ensemble test error (%)"
    assert axes.get_xlabel() == r"$\lambda$"


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw([("toy", result)])
    assert result.identical(before)


def test_a_missing_variable_is_an_error_and_no_empty_panel(result):
    with pytest.raises(KeyError, match="ensemble_error_mean"):
        draw([("toy", result.drop_vars("ensemble_error_mean"))])


@pytest.mark.slow
def test_it_draws_the_result_of_the_probe_that_it_names(toy):
    probe = PROBES.find(error_against_lambda.FIGURE.needs)
    measured = probe.ask(toy, Options())
    [axes] = draw([("toy", measured)]).axes
    mean = 100 * measured["ensemble_error"].sel(split="test").mean("trial")
    np.testing.assert_allclose(axes.containers[0].lines[0].get_ydata(), mean, rtol=1e-12)
