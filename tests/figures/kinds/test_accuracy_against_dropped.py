import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from jtdiag.errors import ProbeError
from jtdiag.figures import available, style
from jtdiag.figures.kinds import accuracy_against_dropped
from jtdiag.figures.kinds.accuracy_against_dropped import draw, draw_on
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

LAMS = [1.0, 0.0]


@pytest.fixture
def result():
    """Two λ in no order, three members; the other kind of subsets has other numbers."""
    mean = np.array([[[0.9, 0.6, 0.3], [0.1, 0.1, 0.1]], [[0.8, 0.8, 0.7], [0.1, 0.1, 0.1]]])
    dims = ("lam", "subsets", "dropped")
    return xr.Dataset(
        {
            "accuracy_mean": (dims, mean),
            "accuracy_low": (dims, mean - 0.05),
            "accuracy_high": (dims, mean + 0.05),
            "accuracy_worst_mean": (("lam", "dropped"), mean[:, 0] - 0.1),
        },
        coords={"lam": LAMS, "subsets": ["shared", "own"], "dropped": [0, 1, 2]},
    )


def drawn(result):
    axes = Figure().add_subplot()
    draw_on(result, axes)
    return axes


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_lines_are_mean_accuracies_in_percent_against_members_dropped(result):
    by_label = lines(drawn(result))
    line = by_label[style.lam_text(1.0)]
    assert line.get_xdata().tolist() == [0, 1, 2]
    np.testing.assert_allclose(line.get_ydata(), [90, 60, 30])
    assert line.get_color() == style.lam_colour(1.0)


def test_dotted_lines_are_the_worst_found(result):
    dotted = [line for line in drawn(result).lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted[0].get_ydata(), [80, 50, 20])


def test_bands_are_the_intervals(result):
    band = drawn(result).collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [25, 95])


def test_with_one_trial_there_are_no_bands(result):
    result["accuracy_low"][:] = result["accuracy_high"][:] = np.nan
    assert len(drawn(result).collections) == 0


def test_the_axis_begins_at_the_ten_below_all_lines(result):
    assert drawn(result).get_ylim() == (20, 100)


def test_lambdas_are_sorted_and_those_not_measured_left_out(result):
    assert available.lams(result, "accuracy_mean", "")["lam"].values.tolist() == [0, 1]
    result["accuracy_mean"][1] = np.nan
    assert available.lams(result, "accuracy_mean", "")["lam"].values.tolist() == [1]


def test_nothing_to_draw_is_one_line_that_says_what_to_keep(result):
    result["accuracy_mean"][:] = np.nan
    with pytest.raises(ProbeError, match="stores no outputs on the test split"):
        draw([("toy", result)])


def test_of_several_runs_each_has_a_panel_and_all_one_scale(result):
    worse = result.copy(deep=True)
    worse["accuracy_worst_mean"][:] = 0.05
    first, second = draw([("16 members", result), ("256 members", worse)]).axes
    assert [ax.get_title() for ax in (first, second)] == ["16 members", "256 members"]
    assert first.get_ylim() == second.get_ylim() == (0, 100)
    np.testing.assert_allclose(lines(first)[style.lam_text(1.0)].get_ydata(), [90, 60, 30])


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw([("toy", result)])
    assert result.identical(before)


@pytest.mark.slow
def test_it_draws_the_result_of_the_probe_that_it_names(toy):
    measured = PROBES.find(accuracy_against_dropped.FIGURE.needs).ask(toy, Options())
    [axes] = draw([("toy", measured)]).axes
    line = lines(axes)[style.lam_text(0.9)]
    expected = measured["accuracy"].sel(subsets="shared", lam=0.9).mean("trial")
    np.testing.assert_allclose(line.get_ydata(), 100 * expected)


def test_every_lambda_has_its_own_colour_wherever_it_is_drawn():
    lams = [0, 0.5, 0.8, 0.9, 0.95, 0.99, 1]
    assert len({style.lam_colour(lam) for lam in lams}) == len(lams)
    assert style.lam_colour(0.9) == style.lam_colour(0.9)
