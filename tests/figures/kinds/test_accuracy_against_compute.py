import numpy as np
import pytest

from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.kinds import accuracy_against_compute
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return accuracy_against_compute.draw([("toy", result)])


@pytest.fixture
def result(toy):
    return PROBES.find(accuracy_against_compute.FIGURE.needs).ask(toy, Options()).copy(deep=True)


def line_of(figure, lam):
    [axes] = figure.axes
    [line] = [line for line in axes.lines if line.get_label() == style.lam_text(lam)]
    return axes, line


@pytest.mark.slow
@pytest.mark.parametrize("order", ["greedy", "best-alone-first"])
def test_the_line_is_the_best_order_that_was_measured(result, order):
    if order != "greedy":
        result["partial_accuracy_mean"].loc[{"evaluation": "greedy"}] = np.nan
    _, line = line_of(draw(result), 0.9)
    assert line.get_xdata().tolist() == [1, 2, 3]
    expected = result["partial_accuracy_mean"].sel(evaluation=order, lam=0.9)
    np.testing.assert_allclose(line.get_ydata(), 100 * expected)


def test_dashed_is_the_random_order(result):
    axes, _ = line_of(draw(result), 0)
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    expected = result["partial_accuracy_mean"].sel(evaluation="random", lam=0)
    np.testing.assert_allclose(dashed[0].get_ydata(), 100 * expected)


def test_the_upper_axis_shows_multiply_adds(result):
    axes, _ = line_of(draw(result), 0)
    [above] = axes.child_axes
    assert above.get_xlabel() == "Multiply-adds per example"
    np.testing.assert_allclose(above.get_xticks(), [25])


def test_without_costs_there_is_no_upper_axis(result):
    result["multiply_adds_per_member"][...] = np.nan
    axes, _ = line_of(draw(result), 0)
    assert axes.child_axes == []


def test_nothing_to_draw_is_an_error(result):
    result["partial_accuracy_mean"][:] = np.nan
    with pytest.raises(ProbeError, match="stores no outputs"):
        draw(result)
