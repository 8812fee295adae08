"""Check a figure for print: small, clipped or overlapping text, and empty panels."""

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
"""Points by which text may extend beyond the figure or overlap other text."""


def problems(figure: Figure, min_size: float) -> list[str]:
    """Return the problems of a figure, one line each; nothing if it can be printed.

    Args:
        figure: The figure, at the size at which it will be printed.
        min_size: Minimum font size in points; superscripts and subscripts are not checked.
    """
    figure.draw_without_rendering()
    point = figure.dpi / 72
    texts = [(text, text.get_window_extent()) for text in _texts(figure)]
    page = figure.bbox.padded(EDGE * point)
    lines = [
        f"{_name(text)} is {_size(text):g} pt; the minimum is {min_size:g} pt"
        for text, _ in texts
        if _size(text) < min_size - 1e-9
    ]
    lines += [f"{_name(text)} is clipped" for text, box in texts if not _inside(box, page)]
    for axes in figure.axes:
        if not _inside(axes.get_window_extent(), page):
            lines.append(f"the panel '{axes.get_title()}' is clipped")
    for (text, box), (other_text, other_box) in combinations(texts, 2):
        if _overlap(box, other_box, EDGE * point):
            lines.append(f"{_name(text)} overlaps {_name(other_text)}")
    lines += [f"{_name(text)} is crossed by a line" for text in _crossed(figure)]
    return lines + [f"the panel '{axes.get_title()}' is empty" for axes in _empty(figure)]


def _name(text: Text) -> str:
    return f"'{text.get_text()}'"


def _size(text: Text) -> float:
    """Return the font size in points, also if it was given by name, such as "small"."""
    return float(text.get_fontproperties().get_size_in_points())


def _inside(box: Bbox, page: Bbox) -> bool:
    return bool(box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1)


def _overlap(a: Bbox, b: Bbox, length: float) -> bool:
    """Return whether two boxes overlap by more than a length in both directions."""
    across = min(a.x1, b.x1) - max(a.x0, b.x0)
    down = min(a.y1, b.y1) - max(a.y0, b.y0)
    return bool(across > length and down > length)


def _texts(figure: Figure) -> Iterator[Text]:
    """Yield every visible text; tick labels outside of the axis limits are not visible."""
    hidden = {id(text) for axes in figure.axes for text in _hidden(axes)}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            yield text


def _hidden(axes: Axes) -> Iterator[Text]:
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
    """Yield annotations and legend entries that are crossed by a line of data."""
    for axes in figure.axes:
        texts = [*axes.texts]
        for legend in axes.findobj(Legend):
            texts += legend.get_texts()
        lines = [line for line in axes.lines if line.get_visible() and _has_path(line)]
        for text in texts:
            box = text.get_window_extent()
            if text.get_visible() and any(_runs_through(line, box) for line in lines):
                yield text


def _empty(figure: Figure) -> Iterator[Axes]:
    """Yield panels without data; lines that span a whole panel do not count."""
    for axes in figure.axes:
        lines = [line for line in axes.lines if line.get_transform() == axes.transData]
        heights = [np.asarray(line.get_ydata(), float) for line in lines]
        shapes = [*axes.images, *axes.patches, *axes.collections]
        if not shapes and not any(np.isfinite(values).any() for values in heights):
            yield axes


def _has_path(line: Line2D) -> bool:
    return line.get_linestyle() != "None" and np.size(line.get_xdata()) > 1


def _runs_through(line: Line2D, box: Bbox) -> bool:
    path = line.get_transform().transform_path(line.get_path())
    return bool(path.cleaned(remove_nans=True).intersects_bbox(box, filled=False))
