import numpy as np
import pytest
from matplotlib.colors import to_rgba

from jtdiag.figures import style
from jtdiag.figures.kinds import collusion
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return collusion.draw([("toy", result)])


@pytest.fixture(scope="module")
def result(toy):
    return PROBES.find(collusion.FIGURE.needs).ask(toy, Options())


@pytest.mark.slow
def test_levels_are_means_over_trials_on_test_by_lambda(result):
    left = draw(result.isel(lam=[2, 0, 1])).axes[0]
    for container, name in zip(left.containers, collusion.LINES, strict=True):
        mean = result[name].sel(split="test").mean("trial")
        np.testing.assert_allclose(container.lines[0].get_ydata(), mean)
        [bars] = container.lines[2]
        length = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
        se = result[name].sel(split="test").std("trial", ddof=1) / np.sqrt(2)
        reach = 12.706205 * se  # Student's, with one degree of freedom
        np.testing.assert_allclose(length, 2 * reach, rtol=1e-6)
    assert [t.get_text() for t in left.get_xticklabels()] == ["0", "0.9", "1"]


@pytest.mark.slow
def test_rises_are_drawn_with_what_diversity_predicts_in_the_colour_of_the_lambda(result):
    middle = draw(result).axes[1]
    for i, lam in enumerate((0, 0.9, 1)):
        measured, predicted = middle.lines[2 * i : 2 * i + 2]
        at = result.sel(lam=lam, split="test").mean("trial")
        # Of three members, 20, 40 and 60 % are one member each.
        np.testing.assert_allclose(measured.get_ydata(), at["drop_rise"][:1])
        np.testing.assert_allclose(predicted.get_ydata(), at["predicted_rise"][:1])
        np.testing.assert_allclose(measured.get_xdata(), 100 / 3)
        assert to_rgba(measured.get_color()) == to_rgba(style.lam_colour(lam))


@pytest.mark.slow
def test_the_gap_is_the_mean_over_trials(result):
    right = draw(result).axes[2]
    mean = result["generalisation_gap"].mean("trial")
    np.testing.assert_allclose(right.containers[0].lines[0].get_ydata(), mean)


@pytest.mark.slow
def test_without_outputs_the_losses_are_drawn_alone(small_run):
    figure = draw(PROBES.find("collusion").ask(small_run, Options()))
    assert len(figure.axes[0].containers) == 2


def test_the_colour_of_a_lambda_is_its_own_and_differs_from_others():
    shades = [style.lam_colour(lam) for lam in (0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 1)]
    assert len(set(shades)) == len(shades)
    assert style.lam_colour(0.9) == style.lam_colour(0.9)


@pytest.mark.slow
def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)
