"""Grids of panels, with as many columns as the width of the venue allows."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.figures import style


def columns_for(count: int, min_width: float = style.PANEL) -> int:
    """Return the number of columns for a number of panels, in rows of equal length."""
    return math.ceil(count / math.ceil(count / style.columns(min_width)))


def in_rows(
    count: int, height: float, *, share: bool = True, min_width: float = style.PANEL
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a number of panels.

    Args:
        count: Number of panels, at least one.
        height: Height of a row in inches, for LNCS.
        share: Whether all panels have the same axis limits.
        min_width: Minimum width of a panel with its labels, in widths of the letter m.
    """
    columns = columns_for(count, min_width)
    rows = math.ceil(count / columns)
    figure = style.figure(height * rows + 0.3, rows=True)
    axes = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    for panel in axes.flat[count:]:
        panel.remove()
    return figure, list(axes.flat[:count])


def by_lam(lams: np.ndarray, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel per λ; its value is the title.

    Args:
        lams: λs (n,), at least one, in the order of the panels.
        height: Height of a row in inches, for LNCS.
    """
    figure, panels = in_rows(len(lams), height)
    for panel, lam in zip(panels, lams, strict=True):
        panel.set_title(style.lam_text(lam))
    return figure, panels


def leftmost(panels: list[Axes]) -> Iterator[Axes]:
    """Yield the panels in the first column."""
    yield from panels[:: columns_for(len(panels))]


def bottommost(panels: list[Axes]) -> Iterator[Axes]:
    """Yield the panels with no panel below them; their tick labels are shown."""
    for panel in panels[-columns_for(len(panels)) :]:
        panel.tick_params(labelbottom=True)
        yield panel
