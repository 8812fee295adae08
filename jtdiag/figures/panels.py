"""A panel for each λ, at most four to a row."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.figures import style

COLUMNS = 4
"""Most panels beside each other."""


def columns_for(count: int) -> int:
    """Return how many of a number of panels stand beside each other, in rows of equal length."""
    return math.ceil(count / math.ceil(count / COLUMNS))


def by_lam(lams: np.ndarray, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel for each λ, titled with it.

    Args:
        lams: λs (n,), at least one, in the order of the panels.
        height: Of a row, in inches.
    """
    columns = columns_for(len(lams))
    rows = math.ceil(len(lams) / columns)
    width = style.WIDTH if columns <= 3 else style.WIDE
    figure = Figure(figsize=(width, height * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel in axes.flat[len(lams) :]:
        panel.set_visible(False)
    panels = list(axes.flat[: len(lams)])
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
