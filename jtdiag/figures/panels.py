"""A panel for each λ, in rows as long as the venue's width allows."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.figures import style


def columns_for(count: int, least: float = style.PANEL) -> int:
    """Return how many of a number of panels stand beside each other, in rows of equal length."""
    return math.ceil(count / math.ceil(count / style.columns(least)))


def in_rows(
    count: int, height: float, *, share: bool = True, least: float = style.PANEL
) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels.

    Args:
        count: Of panels, at least one.
        height: Of a row, in inches at LNCS.
        share: Whether all panels have the same axes.
        least: Width of a panel with its labels, in widths of the letter m.
    """
    columns = columns_for(count, least)
    rows = math.ceil(count / columns)
    figure = style.figure(height * rows + 0.3, rows=True)
    axes = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    for panel in axes.flat[count:]:
        panel.remove()
    return figure, list(axes.flat[:count])


def by_lam(lams: np.ndarray, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel for each λ, titled with it.

    Args:
        lams: λs (n,), at least one, in the order of the panels.
        height: Of a row, in inches at LNCS.
    """
    figure, panels = in_rows(len(lams), height)
    for panel, lam in zip(panels, lams, strict=True):
        panel.set_title(style.lam_text(lam))
    return figure, panels


def at_the_left(panels: list[Axes]) -> Iterator[Axes]:
    """Yield the panels that begin a row."""
    yield from panels[:: columns_for(len(panels))]


def at_the_bottom(panels: list[Axes]) -> Iterator[Axes]:
    """Yield the panels below which there is none, with the labels of their ticks."""
    for panel in panels[-columns_for(len(panels)) :]:
        panel.tick_params(labelbottom=True)
        yield panel
