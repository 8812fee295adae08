import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from jtdiag.figures.kinds.schemes import draw, draw_on
from jtdiag.tables.schemes import Scheme, to_dataset


def bar(scheme, label, lam=0.0, errors=(0.10, 0.12), members=16):
    return Scheme(
        run="run", scheme=scheme, label=label, lam=lam, members=members, lr=0.32, errors=errors
    )


BARS = [
    bar("single", "single network", 1.0, (0.05, 0.07), 1),
    bar("joint", "independent"),
    bar("bagging", "bagging", errors=(0.2,)),
    bar("stacking", "stacking (other)"),
    bar("joint", "λ = 0.95", 0.95, (0.06, 0.08)),
    bar("joint", "end to end", 1.0),
]


@pytest.fixture
def axes():
    axes = Figure().add_subplot()
    draw_on(to_dataset(BARS), axes)
    return axes


def test_bars_are_mean_errors_in_percent_and_a_single_network_is_a_line(axes):
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([11, 20, 11, 7, 11])
    [line] = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(line.get_ydata()) == pytest.approx([6, 6])
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == [
        "independent", "bagging", "stacking\n(other)", r"$\lambda = 0.95$", "end to end",
    ]  # fmt: skip


def test_lines_on_bars_are_intervals_and_dots_the_trials(axes):
    [bars] = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    [lines] = bars.lines[2]
    ends = [sorted(segment[:, 1]) for segment in lines.get_segments()]
    reach = 12.706205  # one standard error times Student's quantile with one degree of freedom
    around_11, around_7 = [0, 11 + reach], [0, 7 + reach]
    expected = [around_11, [20, 20], around_11, around_7, around_11]
    np.testing.assert_allclose(ends, expected, rtol=1e-6)
    dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "."]
    np.testing.assert_allclose(dots, [[10, 20, 10, 6, 10], [12, np.nan, 12, 8, 12]])


def test_members_that_were_trained_together_are_darker(axes):
    colors = [patch.get_facecolor()[:3] for patch in axes.patches]
    assert colors[0] == colors[1] == colors[2]
    assert colors[3] == colors[4]
    assert sum(colors[3]) < sum(colors[0])


def test_every_bar_has_its_number(axes):
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["11.0", "20.0", "11.0", "7.0", "11.0", "single\nnetwork\n6.0"]


def test_a_study_without_a_single_network_is_drawn():
    assert draw([("study", to_dataset(BARS[1:]))]).axes[0].patches
