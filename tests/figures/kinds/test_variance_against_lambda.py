import numpy as np
import pytest

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import variance_against_lambda
from jtdiag.figures.kinds.variance_against_lambda import TERMS
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return variance_against_lambda.draw([("toy", result)])


@pytest.fixture
def result(toy):
    return PROBES.find(variance_against_lambda.FIGURE.needs).ask(toy, Options())


def lines(figure):
    [axes] = figure.axes
    return {container.get_label(): container.lines for container in axes.containers}


def test_lines_are_the_terms_and_add_up_to_the_loss(result):
    heights = {label: line[0].get_ydata() for label, line in lines(draw(result)).items()}
    for name, (label, *_) in TERMS.items():
        np.testing.assert_allclose(heights[label], result[name])
    total = heights["average bias"] + heights["average variance"] - heights["diversity"]
    np.testing.assert_allclose(total, heights["expected ensemble loss"], rtol=1e-10)


def lengths(figure, label):
    [bars] = lines(figure)[label][2]
    return [np.ptp(segment[:, 1]) if len(segment) else 0 for segment in bars.get_segments()]


def test_bars_are_intervals_and_absent_where_trials_are_too_few(result):
    figure = draw(result)
    up = 12.7062 * result["expected_loss_se"]  # Student's, with one degree of freedom
    down = np.minimum(up, 0.9 * result["expected_loss"])
    np.testing.assert_allclose(lengths(figure, "expected ensemble loss"), up + down, rtol=1e-5)
    assert result["average_bias_se"].isnull().all()
    assert lengths(figure, "average bias") == [0, 0, 0]


def test_a_bar_ends_above_0_and_what_is_not_positive_has_no_point(result):
    result["diversity_se"][:] = 10 * result["diversity"]
    result["diversity"][0] = -0.1
    figure = draw(result)
    assert np.isnan(lines(figure)["diversity"][0].get_ydata()[0])
    diversity = result["diversity"].values[1:]
    expected = 0.9 * diversity + 127.062 * diversity  # down to a tenth, and 12.7 errors up
    np.testing.assert_allclose(lengths(figure, "diversity")[-2:], expected, rtol=1e-5)


def test_too_few_trials_are_one_line(result):
    for name in TERMS:
        result[name][:] = np.nan
    with pytest.raises(ProbeError, match="Variance needs the test outputs of at least two trials"):
        draw(result)


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)
