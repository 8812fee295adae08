"""A figure as part of a page: an image that holds all it needs, and words in its place."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.report.alt_text import in_words

RC = {
    # Outlines: the same on every machine, whose fonts may lack ours. Words stand in the text.
    "svg.fonttype": "path",
    "svg.hashsalt": "jtdiag",  # the same figure, the same bytes
}
LIMIT = 300_000
"""Bytes of an SVG above which a figure becomes a bitmap."""
DPI = (200, 120, 72)
"""Of a bitmap: the first that stays within the limit."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image as a data address, which takes no identifiers and no styles from the page."""

    address: str
    width: int
    height: int
    """In CSS pixels."""
    alt: str


def picture(draw: Callable[[], Figure], caption: str, limit: int = LIMIT) -> Picture:
    """Draw a figure in our style; return it as SVG, or where that is too large as PNG.

    Args:
        draw: Makes the figure.
        caption: Of which the first sentence begins the words.
        limit: Bytes of the SVG.
    """
    with style.of(), mpl.rc_context(RC):  # type: ignore[arg-type]
        figure = draw()
        content, kind = _saved(figure, "svg", metadata={"Date": None}), "svg+xml"
        for dpi in DPI if len(content) > limit else ():
            content, kind = _saved(figure, "png", dpi=dpi), "png"
            if len(content) <= limit:
                break
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        alt = in_words(figure, caption)
    data = base64.b64encode(content).decode()
    return Picture(address=f"data:image/{kind};base64,{data}", width=width, height=height, alt=alt)


def _saved(figure: Figure, form: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, **how)
    return stream.getvalue()
