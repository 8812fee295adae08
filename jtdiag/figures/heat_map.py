"""What heat maps with a number in every cell have in common."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from jtdiag.figures import style


def without_frame(ax: Axes) -> None:
    """Remove what surrounds and crosses the cells."""
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def write(values: np.ndarray, text_of: Callable[[float], str], ax: Axes, *, dark: float) -> None:
    """Write values into their cells, white on dark ones; cells without a value stay empty.

    Args:
        values: (rows, columns).
        text_of: Returns the text of a value.
        ax: Axes with the image.
        dark: Value above which cells are dark.
    """
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ax.text(
                column,
                row,
                text_of(value),
                ha="center",
                va="center",
                fontsize=style.small(),
                color="white" if value > dark else "black",
            )
