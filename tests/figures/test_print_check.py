"""Every figure at every width can be printed, and the checker that says so sees what is wrong."""

import pytest
from matplotlib.figure import Figure

from jtdiag.figures import FIGURES, find, style
from jtdiag.figures.print_check import complaints
from jtdiag.figures.venues import VENUES
from jtdiag.probing import results as result
from jtdiag.store.run import Run

EXTREMES = ("lncs", "icml", "ieee", "slides")
"""The default, the narrowest, that with the largest least text, and that with the largest."""


@pytest.fixture(scope="module")
def results(probed_run: Run):
    return {name: result.load(probed_run, name) for name in {find(f).needs for f in FIGURES}}


@pytest.mark.parametrize("venue", EXTREMES)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_printed_at_the_width_of_a_venue(results, name, venue):
    drawing = find(name)
    one = results[drawing.needs]
    with style.of(venue):
        figure = drawing.draw([("toy", one)] if drawing.compares else one)
        assert complaints(figure, VENUES[venue].least) == []
    assert figure.get_size_inches()[0] == VENUES[venue].width


@pytest.mark.parametrize("venue", EXTREMES)
@pytest.mark.parametrize("name", [name for name in FIGURES if find(name).compares])
def test_a_figure_of_several_runs_can_be_printed(results, name, venue):
    drawing = find(name)
    one = results[drawing.needs]
    with style.of(venue):
        figure = drawing.draw([("16 members, hidden 64", one), ("256 members, hidden 4", one)])
        assert complaints(figure, VENUES[venue].least) == []


@pytest.fixture
def figure():
    with style.of():
        figure = Figure(figsize=(3, 2), layout="constrained")
        ax = figure.add_subplot()
        ax.plot([0, 1], [0, 1])
        ax.set(xlabel="x", title="A title")
        yield figure


def test_a_plain_figure_has_nothing_wrong(figure):
    assert complaints(figure, 8) == []


def test_small_text_is_told(figure):
    assert "'x' has 9 points, and 9.5 are the least" in complaints(figure, 9.5)
    figure.axes[0].set_xlabel("x", fontsize=6)
    assert complaints(figure, 8) == ["'x' has 6 points, and 8 are the least"]


def test_text_beyond_the_edge_is_cut_off(figure):
    figure.axes[0].text(0.9, 0.1, "a long remark").set_in_layout(False)
    assert complaints(figure, 8) == ["'a long remark' is cut off"]


def test_a_panel_beyond_the_edge_is_cut_off(figure):
    figure.set_layout_engine("none")
    figure.axes[0].set_position((0.2, 0.2, 0.9, 0.6))
    assert "the panel 'A title' is cut off" in complaints(figure, 8)


def test_words_that_touch_are_told(figure):
    figure.axes[0].set_xticks([0.5, 0.53], ["half", "more"])
    assert complaints(figure, 8) == ["'half' lies on 'more'"]


def test_labels_beyond_the_ends_of_an_axis_are_not_seen(figure):
    figure.axes[0].set_xticks([0.5, 5, 5.1], ["half", "five", "more"])
    figure.axes[0].set_xlim(0, 1)
    assert complaints(figure, 8) == []


def test_a_line_through_a_word_is_told(figure):
    figure.axes[0].text(0.5, 0.5, "here", ha="center", va="center")
    assert complaints(figure, 8) == ["'here' lies on a line"]
    figure.axes[0].texts[0].set_position((0.2, 0.8))
    assert complaints(figure, 8) == []


def test_a_legend_on_a_line_is_told(figure):
    figure.axes[0].lines[0].set_label("here")
    figure.axes[0].legend(loc="center")
    assert complaints(figure, 8) == ["'here' lies on a line"]


def test_an_empty_panel_is_told(figure):
    figure.axes[0].lines[0].set_data([], [])
    assert complaints(figure, 8) == ["the panel 'A title' is empty"]
    figure.axes[0].axvline(0.5)
    assert complaints(figure, 8) == ["the panel 'A title' is empty"]
    figure.axes[0].plot([0, 1], [float("nan")] * 2)
    assert complaints(figure, 8) == ["the panel 'A title' is empty"]
    figure.axes[0].plot([0, 1], [0, 1])
    assert complaints(figure, 8) == []
