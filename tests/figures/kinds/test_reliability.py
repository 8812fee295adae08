import numpy as np
import pytest
from matplotlib.figure import Figure

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import reliability
from jtdiag.figures.kinds.reliability import draw_on
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return reliability.draw([("toy", result)])


@pytest.fixture(scope="module")
def result(toy):
    return PROBES.find(reliability.FIGURE.needs).ask(toy, Options())


@pytest.fixture
def small_bins(monkeypatch):
    monkeypatch.setattr(reliability, "MIN_EXAMPLES", 1)


def test_there_is_a_panel_for_each_lambda_in_order(result):
    figure = draw(result.isel(lam=[2, 0, 1]))
    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == [
        rf"$\lambda = {lam:g}$" for lam in (0, 0.9, 1)
    ]


def test_lines_are_the_numbers_of_the_first_trial(result, small_bins):
    axes = draw(result).axes[1]
    lane = result.isel(trial=0).sel(lam=0.9, split="test")
    diagonal, *members, ensemble = [line for line in axes.lines if len(line.get_xdata()) > 1][:5]
    assert list(diagonal.get_xdata()) == [0, 1]
    for j, line in enumerate(members):
        np.testing.assert_array_equal(line.get_xdata(), lane["member_bin_confidence"][j])
        np.testing.assert_array_equal(line.get_ydata(), lane["member_bin_accuracy"][j])
    np.testing.assert_array_equal(ensemble.get_ydata(), lane["ensemble_bin_accuracy"])
    assert axes.get_title().splitlines()[1] == f"ECE {100 * float(lane['ensemble_ece']):.1f} %"


def test_bins_with_few_examples_are_left_out(result):
    lane = result.isel(trial=0).sel(lam=0.9, split="test")
    axes = Figure().add_subplot()
    draw_on(lane, axes)
    drawn = np.isfinite(axes.containers[0].lines[0].get_ydata())
    assert drawn.tolist() == (lane["ensemble_bin_count"] >= 10).values.tolist()


def test_a_run_without_outputs_is_one_line(small_run):
    nothing = PROBES.find(reliability.FIGURE.needs).ask(small_run, Options())
    with pytest.raises(
        ProbeError, match=r"no outputs on the test split\. Train with keep\.outputs"
    ):
        draw(nothing)


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)
