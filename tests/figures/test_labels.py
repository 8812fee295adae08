import io
import warnings

import pytest

from jtdiag.figures import style
from jtdiag.figures.labels import LONGEST, drawable, undrawn

NAMES = [
    "_old", "_new", "__", "$x$", "$", "a$b", r"\$x\$", r"\alpha", "a|b", "100%", "a&b", "{}",
    "<b>&amp;", "-rf", "a  b", "λ = 1", "été", "Привет", "שלום", "مرحبا",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("venue", ["lncs", "slides"])
def test_a_name_is_drawn_as_it_is(name, venue):
    svg = io.StringIO()
    with warnings.catch_warnings(), style.of(venue):
        warnings.simplefilter("error")
        figure = style.figure(2)
        [label] = drawable([name])
        figure.add_subplot().plot([0, 1], label=label)
        style.legend(figure)
        figure.savefig(svg, format="svg")
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [label]
    comment = " ".join(name.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<!-- {comment.replace('--', '- -')} -->" in svg.getvalue().replace("<!--  ", "<!-- ")
    assert undrawn(label) == " ".join(name.split())


def test_characters_that_no_font_has_are_escapes_and_stay_different():
    with style.of(), warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = drawable(["\U000f0000", "\U000f0001", "a\nb", "\x1b[31m"])
    assert labels == [r"\U000f0000", r"\U000f0001", r"a\nb", r"\x1b[31m"]


def test_long_names_are_shortened_and_numbered_if_they_become_equal():
    with style.of():
        one, other, short = drawable([200 * "a" + "b" + 200 * "c", 201 * "a" + 200 * "c", "short"])
    assert (one[:3], other[:3], short) == ("1. ", "2. ", "short")
    assert len(one) <= LONGEST + 3


def test_lines_of_lambdas_with_the_same_color_have_other_markers_and_dashes():
    lams = (0, 1e-9, 0.001, 0.0011, 0.99999999, 1)
    with style.of(lams=lams):
        drawn = {tuple(style.lam_line(lam).values()) for lam in lams}
        markers = {style.lam_marker(lam)["marker"] + style.lam_colour(lam) for lam in lams}
    assert len(drawn) == len(markers) == len(lams)


@pytest.mark.parametrize(
    ("lam", "text", "tick"),
    [
        (0.9, r"$\lambda = 0.9$", "0.9"),
        (1e-9, r"$\lambda = 10^{-9}$", "$10^{-9}$"),
        (2.5e-9, r"$\lambda = 2.5 \times 10^{-9}$", r"$2.5 \times 10^{-9}$"),
    ],
)
def test_powers_of_ten_are_written_as_such(lam, text, tick):
    assert (style.lam_text(lam), style.lam_tick(lam)) == (text, tick)
