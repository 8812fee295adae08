import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest

from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.kinds import leader_by_epoch
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return leader_by_epoch.draw([("toy", result)])


def made_up(lams, trials=3, epochs=5, members=4):
    random = np.random.default_rng(0)
    shape = (len(lams), trials, epochs)
    is_final = random.integers(0, 2, shape).astype(float)
    is_final[..., -1] = 1
    return xr.Dataset(
        {
            "leader_is_final": (("lam", "trial", "epoch"), is_final),
            "done": (("lam", "trial"), np.ones(shape[:2])),
        },
        coords={"lam": lams, "trial": range(trials), "epoch": range(epochs)}
        | {"member": range(members)},
        attrs={"early_epoch": 2},
    )


@pytest.fixture
def result():
    return made_up([1.0, 0.5])


def visible(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def line(axes):
    return axes.lines[0].get_ydata()


def band(axes):
    """Lower and upper ends by epoch."""
    [polygon] = axes.collections
    points = polygon.get_paths()[0].vertices
    epochs = sorted(set(points[:, 0]))
    ends = [[f(points[points[:, 0] == e, 1]) for e in epochs] for f in (np.min, np.max)]
    return np.array(ends)


def test_a_panel_shows_how_many_trials_agree_with_their_end_and_the_exact_interval(result):
    panels = visible(draw(result))
    assert len(panels) == 3
    for axes, lam in zip(panels, (0.5, 1.0), strict=False):
        held = result["leader_is_final"].sel(lam=lam).sum("trial").values
        np.testing.assert_allclose(line(axes), 100 * held / 3)
        exact = [binomtest(int(k), 3).proportion_ci(0.95, method="exact") for k in held]
        np.testing.assert_allclose(
            band(axes)[0], [100 * interval.low for interval in exact], atol=1e-9
        )
        np.testing.assert_allclose(
            band(axes)[1], [100 * interval.high for interval in exact], atol=1e-9
        )


def test_the_last_panel_is_of_all_lanes(result):
    last = visible(draw(result))[-1]
    expected = 100 * result["leader_is_final"].mean(("lam", "trial"))
    np.testing.assert_allclose(line(last), expected)


@pytest.mark.slow
def test_lanes_that_are_not_done_are_left_out(result):
    result["done"][0, 1:] = 0
    at_half, at_1, together = visible(draw(result))
    np.testing.assert_allclose(line(at_1), 100 * result["leader_is_final"].isel(lam=0, trial=0))
    assert at_1.get_title() == r"$\lambda = 1$ ($n = 1$)"
    assert at_half.get_title() == r"$\lambda = 0.5$ ($n = 3$)"
    assert together.get_title() == r"all $\lambda$ ($n = 4$)"


def test_a_run_without_a_completed_lane_is_one_line(result):
    result["done"][:] = 0
    with pytest.raises(ProbeError, match="No lane has completed all epochs"):
        draw(result)


def test_a_lambda_without_a_completed_lane_has_no_panel(result):
    result["done"].loc[{"lam": 1.0}] = 0
    titles = [axes.get_title() for axes in visible(draw(result))]
    assert titles == [r"$\lambda = 0.5$ ($n = 3$)", r"all $\lambda$ ($n = 3$)"]


def test_chance_and_the_early_epoch_of_the_result_are_marked(result):
    for axes in visible(draw(result)):
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_ydata() for line in dashed] == [[25, 25]]
        dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert [line.get_xdata() for line in dotted] == [[2, 2]]


def test_lambdas_have_their_colours(result):
    colors = [axes.lines[0].get_color() for axes in visible(draw(result))]
    assert colors == [style.lam_colour(0.5), style.lam_colour(1.0), style.ENSEMBLE]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 2, 1), (3, 2, 2), (5, 3, 2), (7, 3, 3)])
def test_panels_are_in_rows_of_three_and_the_lowest_are_labeled(count, columns, rows):
    figure = draw(made_up(np.linspace(0, 1, count)))
    grid = figure.axes[0].get_gridspec()
    assert (grid.ncols, grid.nrows) == (columns, rows)
    panels = visible(figure)
    assert len(panels) == count + 1
    lowest = [axes for axes in panels if axes.get_xlabel() == "Epoch"]
    assert lowest == panels[-columns:]
    for axes in lowest:
        assert all(tick.label1.get_visible() for tick in axes.xaxis.get_major_ticks())


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)


@pytest.mark.slow
def test_it_draws_the_result_of_the_probe_that_it_names(toy):
    measured = PROBES.find(leader_by_epoch.FIGURE.needs).ask(toy, Options(metrics_only=True))
    last = visible(draw(measured))[-1]
    np.testing.assert_allclose(line(last), 100 * measured["leader_is_final"].mean(("lam", "trial")))
