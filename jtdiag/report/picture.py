"""Figures embedded in a page: a self-contained image and its alternative text."""

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.figures.styled_figure import fix_layout
from jtdiag.report.alt_text import in_words

RC = {
    # Outlines look the same on every machine; the words are in the alternative text.
    "svg.fonttype": "path",
    "svg.hashsalt": "jtdiag",  # the same figure, the same bytes
}
LIMIT = 300_000
"""Bytes of an SVG above which a figure becomes a bitmap."""
DPI = (200, 120, 72)
"""Resolutions of a bitmap; the first that is within the limit is used."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image as a data URL, isolated from the identifiers and styles of the page."""

    address: str
    width: int
    height: int
    """In CSS pixels."""
    alt: str


def picture(
    draw: Callable[[], Figure], caption: str, limit: int = LIMIT, lams: Iterable[float] = ()
) -> Picture:
    """Draw a figure; return it as SVG, or as PNG if that is too large.

    Args:
        draw: Makes the figure.
        caption: Its first sentence begins the alternative text.
        limit: Greatest number of bytes of the SVG.
        lams: λs that are drawn.
    """
    with style.of(lams=lams), mpl.rc_context(RC):  # type: ignore[arg-type]
        figure = draw()
        fix_layout(figure, DPI[0])
        content, kind = _saved(figure, "svg", metadata={"Date": None}), "svg+xml"
        for dpi in DPI if len(content) > limit else ():
            content, kind = _saved(figure, "png", dpi=dpi), "png"
            if len(content) <= limit:
                break
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        alt = in_words(figure, caption)
    data = base64.b64encode(content).decode()
    return Picture(address=f"data:image/{kind};base64,{data}", width=width, height=height, alt=alt)


def _saved(figure: Figure, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, **options)
    return stream.getvalue()
