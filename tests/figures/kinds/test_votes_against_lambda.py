import numpy as np
import pytest

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import votes_against_lambda
from jtdiag.figures.kinds.votes_against_lambda import ERRORS, PAIRS
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return votes_against_lambda.draw([("toy", result)])


@pytest.fixture
def result(toy):
    return PROBES.find(votes_against_lambda.FIGURE.needs).ask(toy, Options())


def at_the_chosen_epoch(result, toy, name):
    """Values (lam, trial) on test, one by one."""
    values = np.full((3, 2), np.nan)
    for lane in toy.lanes:
        at = result[name].sel(split="test", epoch=toy.chosen_epoch(lane))
        values[lane.lam_index, lane.trial] = at.isel(lam=lane.lam_index, trial=lane.trial)
    return values


@pytest.mark.slow
def test_points_are_means_over_trials_at_the_chosen_epoch(result, toy):
    left, right = draw(result.isel(lam=[2, 0, 1])).axes
    for axes, which in ((left, ERRORS), (right, PAIRS)):
        for container, name in zip(axes.containers, which, strict=True):
            assert container.get_label() == which[name][0]
            if name == "ensemble_error":
                values = at_the_chosen_epoch(result, toy, "mean_member_error")
                values = values - at_the_chosen_epoch(result, toy, "diversity_effect")
            else:
                values = at_the_chosen_epoch(result, toy, name)
            np.testing.assert_allclose(container.lines[0].get_ydata(), 100 * values.mean(1))
            [bars] = container.lines[2]
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            mean, se = values.mean(1), values.std(1, ddof=1) / np.sqrt(2)
            reach = 12.706205 * se  # Student's, with one degree of freedom
            np.testing.assert_allclose(ends[:, 1], 100 * (mean + reach), rtol=1e-6)
            low = 100 * np.maximum(mean - reach, 0)
            np.testing.assert_allclose(ends[:, 0], low, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_the_ensemble_is_that_of_the_metrics(result, toy):
    errors = toy.metrics()["ensemble_error"].sel(split="test")
    expected = np.empty((3, 2))
    for lane in toy.lanes:
        at = errors.sel(epoch=toy.chosen_epoch(lane))
        expected[lane.lam_index, lane.trial] = at.isel(lam=lane.lam_index, trial=lane.trial)
    ensemble = draw(result).axes[0].containers[2].lines[0]
    np.testing.assert_allclose(ensemble.get_ydata(), 100 * expected.mean(1))


def test_a_run_without_outputs_is_one_line(small_run):
    nothing = PROBES.find("votes").ask(small_run, Options())
    with pytest.raises(ProbeError, match=r"stores no outputs on the test split\. Train with"):
        draw(nothing)


@pytest.mark.slow
def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)
