import numpy as np
import pytest

from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.kinds import accuracy_against_faults
from jtdiag.figures.kinds.accuracy_against_faults import BIT_FLIPS, TITLES
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return accuracy_against_faults.draw([("toy", result)])


@pytest.fixture(scope="module")
def result(toy):
    return PROBES.find(accuracy_against_faults.FIGURE.needs).ask(toy, Options())


@pytest.mark.slow
def test_every_fault_has_a_panel_with_a_line_for_each_lambda(result):
    panels = draw(result).axes
    assert set(TITLES) == set(result["fault"].values.tolist())
    for panel, fault in zip(panels, TITLES, strict=False):
        assert panel.get_title() == TITLES[fault]
        for line, lam in zip(panel.lines, [0, 0.9, 1], strict=True):
            expected = result["fault_accuracy_mean"].sel(lam=lam, fault=fault)
            assert line.get_xdata().tolist() == [0, 1, 2, 3]
            np.testing.assert_allclose(line.get_ydata(), 100 * expected)
            assert line.get_color() == style.lam_colour(lam)


@pytest.mark.slow
def test_bit_flips_are_drawn_against_their_rate(result):
    for panel, name in zip(draw(result).axes[6:], BIT_FLIPS, strict=True):
        assert panel.get_xscale() == "log"
        np.testing.assert_allclose(panel.lines[0].get_xdata(), result["rate"][1:])
        np.testing.assert_allclose(
            panel.lines[0].get_ydata(), 100 * result[f"{name}_mean"].sel(lam=0)[1:]
        )


@pytest.mark.slow
def test_a_run_without_checkpoints_has_no_panels_of_bit_flips(result):
    without = result.copy(deep=True)
    for name in BIT_FLIPS:
        without[f"{name}_mean"][:] = np.nan
    assert [panel.get_title() for panel in draw(without).axes] == list(TITLES.values())


def test_nothing_to_draw_is_an_error(result):
    empty = result.copy(deep=True)
    empty["fault_accuracy_mean"][:] = np.nan
    with pytest.raises(ProbeError, match="stores no outputs"):
        draw(empty)
