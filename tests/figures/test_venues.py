import logging

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from jtdiag.errors import ProbeError
from jtdiag.figures import panels, style, venues
from jtdiag.figures.print_check import problems
from jtdiag.figures.venues import VENUES

MILLIMETRE = 1 / 25.4


def test_widths_are_those_of_the_venues_instructions():
    given = {
        "lncs": 122 * MILLIMETRE,
        "neurips": 5.5,
        "iclr": 5.5,
        "icml": 3.25,
        "icml-wide": 6.75,
        "ieee": 3.5,
        "ieee-wide": 43 / 6.005,  # picas
        "nature": 89 * MILLIMETRE,
        "nature-wide": 183 * MILLIMETRE,
    }
    for name, inches in given.items():
        assert VENUES[name].width == pytest.approx(inches, abs=0.02), name


@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.name)
def test_no_text_of_a_venue_is_below_its_least(venue):
    assert venue.min_size <= venue.small <= venue.size


def test_the_default_is_the_papers_venue_and_has_a_second_name():
    assert venues.find("ecml") is venues.find(venues.DEFAULT)


def test_an_unknown_style_is_one_line_with_the_nearest():
    with pytest.raises(ProbeError) as caught:
        venues.find("neurip")
    assert str(caught.value).startswith("There is no style 'neurip'. Did you mean 'neurips'?")


@pytest.mark.parametrize("name", VENUES)
def test_the_style_of_a_venue_applies_within_its_block_only(name):
    before = mpl.rcParams["font.size"], style.width()
    with style.of(name) as venue:
        assert (mpl.rcParams["font.size"], style.width()) == (venue.size, venue.width)
    assert (mpl.rcParams["font.size"], style.width()) == before


@pytest.mark.parametrize("name", VENUES)
def test_every_font_of_a_venue_is_there(name, caplog):
    with style.of(name), caplog.at_level(logging.WARNING, "matplotlib.font_manager"):
        family = mpl.rcParams["font.family"]
        font_manager.fontManager.findfont(font_manager.FontProperties(family=family))
        figure = Figure()
        figure.text(0.5, 0.5, r"text and $\lambda$ at 10 % ± 1")
        figure.draw_without_rendering()
    assert caplog.records == []


@pytest.mark.parametrize(("name", "beside"), [("lncs", 3), ("ieee", 2), ("ieee-wide", 5)])
def test_rows_have_as_many_panels_as_the_width_allows(name, beside):
    with style.of(name):
        figure, axes = panels.in_rows(7, 1.5)
    assert axes[0].get_gridspec().ncols <= beside
    assert len(figure.axes) == len(axes) == 7


@pytest.mark.slow
def test_figures_are_never_taller_than_a_page():
    with style.of("ieee"):
        figure, _ = panels.in_rows(40, 1.5)
    assert figure.get_size_inches()[1] == style.MAX_HEIGHT


@pytest.mark.slow
def test_a_legend_is_read_from_left_to_right_and_fits():
    with style.of("icml"):
        figure = style.figure(2.6)
        words = [f"a label {i}" for i in range(7)]
        ax = figure.add_subplot()
        for word in words[1:] + words[:1]:
            ax.plot([0, 1], label=word)
        style.legend(figure, order=words[:1])
        figure.draw_without_rendering()
        [legend] = figure.legends
        boxes = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
        width = legend.get_window_extent().width
    assert sorted(words, key=lambda w: (-round(boxes[w].y0), boxes[w].x0)) == words
    assert width < figure.bbox.width


LAMS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.999, 1.0)


def test_every_lambda_has_a_marker_and_dashes_that_no_other_has_together():
    lines = [style.lam_line(lam) for lam in LAMS]
    assert len({(line["marker"], str(line["linestyle"])) for line in lines}) == len(LAMS)


def test_the_papers_lambdas_have_markers_of_their_own():
    assert len({style.lam_marker(lam)["marker"] for lam in (0, 0.5, 0.8, 0.9, 0.95, 0.99, 1)}) == 7


@pytest.mark.parametrize("count", [2, 3, 5])
def test_runs_differ_in_grey_in_markers_and_in_dashes(count):
    lines = [style.run_line(i, count) for i in range(count)]
    grey = [np.dot(mpl.colors.to_rgb(line["color"]), (0.299, 0.587, 0.114)) for line in lines]
    assert (np.diff(grey) > 0.1).all()
    assert grey[-1] < 0.75
    assert len({line["marker"] for line in lines}) == count


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), [("ieee-wide", 15), ("ieee", 9)])
def test_lambdas_are_labeled_as_densely_as_the_width_allows(name, shown):
    with style.of(name):
        ax = style.figure(2.6).add_subplot()
        style.lam_axis(ax, np.array(LAMS))
        named = [text.get_text() for text in ax.get_xticklabels()]
    assert (named[0], named[-1]) == ("0", "1")
    assert len(named) <= shown


PAPERS = np.array([0, 0.5, 0.8, 0.9, 0.95, 0.99, 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("count", [1, 2])
def test_the_papers_lambdas_never_touch_each_other(name, count):
    with style.of(name) as venue:
        figure, axes = panels.in_rows(count, 2.3)
        for ax in axes:
            ax.plot(np.arange(7), PAPERS)
            style.lam_axis(ax, PAPERS)
            style.end_labels(ax, PAPERS)
        assert problems(figure, venue.min_size) == []
