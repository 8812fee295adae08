import numpy as np
import pytest
from matplotlib.figure import Figure

from jtdiag.figures.kinds.schemes import draw, draw_on
from jtdiag.tables.schemes import HEADINGS, Bar, rows


def bar(scheme, label, lam=0.0, errors=(0.10, 0.12), members=16):
    return Bar(scheme=scheme, label=label, lam=lam, members=members, lr=0.32, errors=errors)


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
    draw_on(BARS, axes)
    return axes


def test_bars_are_mean_errors_in_percent_and_a_single_network_is_a_line(axes):
    assert [patch.get_height() for patch in axes.patches] == pytest.approx([11, 20, 11, 7, 11])
    [line] = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(line.get_ydata()) == pytest.approx([6, 6])
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == [
        "independent", "bagging", "stacking\n(other)", r"$\lambda = 0.95$", "end to end",
    ]  # fmt: skip


def test_lines_on_bars_are_standard_errors_and_dots_the_trials(axes):
    [segments] = zip(*(c.lines[2][0].get_segments() for c in axes.containers[1::2]), strict=True)
    ends = [sorted(one[:, 1]) for one in segments]
    np.testing.assert_allclose(ends, [[10, 12], [20, 20], [10, 12], [6, 8], [10, 12]])
    dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "."]
    assert sorted(len(dot) for dot in dots) == [1, 2, 2, 2, 2]


def test_members_that_were_trained_together_are_darker(axes):
    colors = [patch.get_facecolor()[:3] for patch in axes.patches]
    assert colors[0] == colors[1] == colors[2]
    assert colors[3] == colors[4]
    assert sum(colors[3]) < sum(colors[0])


def test_every_bar_has_its_number(axes):
    said = [text.get_text() for text in axes.texts]
    assert said == ["11.0", "20.0", "11.0", "7.0", "11.0", "single\nnetwork\n6.0"]


def test_a_study_without_a_single_network_is_drawn():
    assert draw(BARS[1:]).axes[0].patches


def test_the_table_has_a_row_for_each_with_its_doubt():
    assert len(HEADINGS) == 5
    assert rows(BARS[:3]) == [
        ("single network", "", "1", "0.32", "6.00 ± 1.00 %"),
        ("independent", "0", "16", "0.32", "11.00 ± 1.00 %"),
        ("bagging", "0", "16", "0.32", "20.00 %"),
    ]
