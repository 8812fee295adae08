"""What heat maps with a number in every cell have in common."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage

from jtdiag.figures import style

ROWS = 12
"""Maximum number of rows; of more, evenly spaced ones with the first and the last."""
CELL = 2.4
"""Width of a cell with its number, in widths of the letter m."""
DARK = 30
"""Error in percent from which text is white."""
SCALE = PowerNorm(0.5, vmin=0, vmax=100)
"""Colors by the square root of the error in percent: what matters is small."""


def of_errors(percent: np.ndarray, ax: Axes) -> AxesImage:
    """Draw errors in percent (rows, columns), on the same scale in every figure."""
    image = ax.imshow(percent, cmap="Blues", norm=SCALE, aspect="auto")
    without_frame(ax)
    write(percent, _error_text, ax, dark=DARK)
    return image


def few_rows(count: int) -> list[int]:
    """Return the rows that are drawn of a number of rows."""
    return [int(row) for row in np.linspace(0, count - 1, min(ROWS, count)).round()]


def _error_text(percent: float) -> str:
    return f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"


def without_frame(ax: Axes) -> None:
    """Remove what surrounds and crosses the cells."""
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def write(
    values: np.ndarray,
    text_of: Callable[[float], str],
    ax: Axes,
    *,
    dark: float,
    errors: np.ndarray | None = None,
) -> None:
    """Write values into their cells, white on dark ones; cells without a value stay empty.

    Args:
        values: (rows, columns).
        text_of: Returns the text of a value.
        ax: Axes with the image.
        dark: Value above which cells are dark.
        errors: Standard errors, (rows, columns), on a line of their own; NaN where there is none.
    """
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            error = np.nan if errors is None else float(errors[row, column])
            below = f"\n± {text_of(error)}" if np.isfinite(error) else ""
            ax.text(
                column,
                row,
                f"{text_of(value)}{below}",
                ha="center",
                va="center",
                linespacing=1.0,
                fontsize=style.small(),
                color="white" if value > dark else "black",
            )
