"""Every figure at every width can be printed, and the checker that says so sees what is wrong."""

import pytest
from matplotlib.figure import Figure

from jtdiag.figures import FIGURES, style
from jtdiag.figures.print_check import problems
from jtdiag.figures.venues import VENUES
from jtdiag.probing.results import load
from jtdiag.store.run import Run
from jtdiag.workflows.study import OF_RUNS

EXTREMES = ("lncs", "icml", "ieee", "slides")
"""The default, the narrowest, that with the largest least text, and that with the largest."""


@pytest.fixture(scope="module")
def results(probed_run: Run):
    return {name: load(probed_run, name) for name in {kind.needs for kind in FIGURES.all()}}


@pytest.mark.one_in(3)
@pytest.mark.slow
@pytest.mark.parametrize("venue", EXTREMES)
@pytest.mark.parametrize("name", [name for name in FIGURES.names() if name not in OF_RUNS])
def test_a_figure_can_be_printed_at_the_width_of_a_venue(results, name, venue):
    kind = FIGURES.find(name)
    with style.of(venue):
        figure = kind.draw([("toy", results[kind.needs])])
        assert problems(figure, VENUES[venue].min_size) == []
    assert figure.get_size_inches()[0] == VENUES[venue].width


@pytest.mark.slow
@pytest.mark.parametrize("venue", EXTREMES)
@pytest.mark.parametrize("name", [kind.name for kind in FIGURES.all() if kind.compares])
def test_a_figure_of_several_runs_can_be_printed(results, name, venue):
    kind = FIGURES.find(name)
    result = results[kind.needs]
    local = {"credit_label": "local, pred", "credit_rule": "local, pred", "mu": 0.0}
    other = result.assign_attrs(credit="local", layers_end_to_end=0, **local)
    with style.of(venue):
        figure = kind.draw([("16 members, hidden 64", result), ("256 members, hidden 4", other)])
        assert problems(figure, VENUES[venue].min_size) == []


@pytest.fixture
def figure():
    with style.of():
        figure = Figure(figsize=(3, 2), layout="constrained")
        ax = figure.add_subplot()
        ax.plot([0, 1], [0, 1])
        ax.set(xlabel="x", title="A title")
        yield figure


def test_a_plain_figure_has_nothing_wrong(figure):
    assert problems(figure, 8) == []


@pytest.mark.slow
def test_small_text_is_reported(figure):
    assert "'x' is 9 pt; the minimum is 9.5 pt" in problems(figure, 9.5)
    figure.axes[0].set_xlabel("x", fontsize=6)
    assert problems(figure, 8) == ["'x' is 6 pt; the minimum is 8 pt"]


def test_text_beyond_the_edge_is_clipped(figure):
    figure.axes[0].text(0.9, 0.1, "a long remark").set_in_layout(False)
    assert problems(figure, 8) == ["'a long remark' is clipped"]


def test_a_panel_beyond_the_edge_is_clipped(figure):
    figure.set_layout_engine("none")
    figure.axes[0].set_position((0.2, 0.2, 0.9, 0.6))
    assert "the panel 'A title' is clipped" in problems(figure, 8)


def test_overlapping_text_is_reported(figure):
    figure.axes[0].set_xticks([0.5, 0.53], ["half", "more"])
    assert problems(figure, 8) == ["'half' overlaps 'more'"]


@pytest.mark.slow
def test_labels_beyond_the_ends_of_an_axis_are_not_seen(figure):
    figure.axes[0].set_xticks([0.5, 5, 5.1], ["half", "five", "more"])
    figure.axes[0].set_xlim(0, 1)
    assert problems(figure, 8) == []


@pytest.mark.slow
def test_a_line_through_text_is_reported(figure):
    figure.axes[0].text(0.5, 0.5, "here", ha="center", va="center")
    assert problems(figure, 8) == ["'here' is crossed by a line"]
    figure.axes[0].texts[0].set_position((0.2, 0.8))
    assert problems(figure, 8) == []


def test_a_legend_on_a_line_is_reported(figure):
    figure.axes[0].lines[0].set_label("here")
    figure.axes[0].legend(loc="center")
    assert problems(figure, 8) == ["'here' is crossed by a line"]


@pytest.mark.slow
def test_an_empty_panel_is_reported(figure):
    figure.axes[0].lines[0].set_data([], [])
    assert problems(figure, 8) == ["the panel 'A title' is empty"]
    figure.axes[0].axvline(0.5)
    assert problems(figure, 8) == ["the panel 'A title' is empty"]
    figure.axes[0].plot([0, 1], [float("nan")] * 2)
    assert problems(figure, 8) == ["the panel 'A title' is empty"]
    figure.axes[0].plot([0, 1], [0, 1])
    assert problems(figure, 8) == []
