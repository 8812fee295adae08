"""What is wrong with a figure in print: small, cut-off or colliding words, empty panels."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

EDGE = 0.5
"""Points by which letters may reach beyond the figure, or into each other's boxes."""


def complaints(figure: Figure, least: float) -> list[str]:
    """Return what is wrong with a figure, a line each; nothing if it can be printed.

    Args:
        figure: As large as it will be printed.
        least: Points, below which no text may be; raised and lowered text in mathematics is not
            looked at.
    """
    figure.draw_without_rendering()
    point = figure.dpi / 72
    placed = [(text, text.get_window_extent()) for text in _texts(figure)]
    page = figure.bbox.padded(EDGE * point)
    found = [
        f"{_name(text)} has {_size(text):g} points, and {least:g} are the least"
        for text, _ in placed
        if _size(text) < least - 1e-9
    ]
    found += [f"{_name(text)} is cut off" for text, box in placed if not _inside(box, page)]
    for axes in figure.axes:
        if not _inside(axes.get_window_extent(), page):
            found.append(f"the panel '{axes.get_title()}' is cut off")
    for (one, a), (other, b) in combinations(placed, 2):
        if _overlap(a, b, EDGE * point):
            found.append(f"{_name(one)} lies on {_name(other)}")
    found += [f"{_name(text)} lies on a line" for text in _crossed(figure)]
    return found + [f"the panel '{axes.get_title()}' is empty" for axes in _empty(figure)]


def _name(text: Text) -> str:
    return f"'{text.get_text()}'"


def _size(text: Text) -> float:
    """Return points, also where a size has a name."""
    return float(text.get_fontproperties().get_size_in_points())


def _inside(box: Bbox, page: Bbox) -> bool:
    return bool(box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1)


def _overlap(a: Bbox, b: Bbox, by: float) -> bool:
    """Tell whether two boxes share more than `by` in both directions."""
    across = min(a.x1, b.x1) - max(a.x0, b.x0)
    along = min(a.y1, b.y1) - max(a.y0, b.y0)
    return bool(across > by and along > by)


def _texts(figure: Figure) -> Iterator[Text]:
    """Yield every text that is seen; ticks beyond the ends of their axis are not."""
    hidden = {id(text) for axes in figure.axes for text in _unseen(axes)}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            yield text


def _unseen(axes: Axes) -> Iterator[Text]:
    if not axes.get_visible():
        yield from axes.findobj(Text)
        return
    for axis in axes.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low - slack <= tick.get_loc() <= high + slack:
                yield from (tick.label1, tick.label2)
        if not axis.get_visible():
            yield from axis.findobj(Text)


def _crossed(figure: Figure) -> Iterator[Text]:
    """Yield texts within panels, of legends or alone, that a line of data runs through."""
    for axes in figure.axes:
        within = [*axes.texts]
        for made in axes.findobj(Legend):
            within += made.get_texts()
        lines = [line for line in axes.lines if line.get_visible() and _has_path(line)]
        for text in within:
            box = text.get_window_extent()
            if text.get_visible() and any(_runs_through(line, box) for line in lines):
                yield text


def _empty(figure: Figure) -> Iterator[Axes]:
    """Yield panels in which no number is drawn; lines across a whole panel are none."""
    for axes in figure.axes:
        lines = [line for line in axes.lines if line.get_transform() == axes.transData]
        numbers = [np.asarray(line.get_ydata(), float) for line in lines]
        shapes = [*axes.images, *axes.patches, *axes.collections]
        if not shapes and not any(np.isfinite(one).any() for one in numbers):
            yield axes


def _has_path(line: Line2D) -> bool:
    return line.get_linestyle() != "None" and np.size(line.get_xdata()) > 1


def _runs_through(line: Line2D, box: Bbox) -> bool:
    path = line.get_transform().transform_path(line.get_path())
    return bool(path.cleaned(remove_nans=True).intersects_bbox(box, filled=False))
