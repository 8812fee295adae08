"""Means over trials, and how they are drawn with their standard errors."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.over_trials import standard_error

Floats = NDArray[np.floating]
LINE = {"markersize": 3.5, "capsize": 2}
"""How points with error bars look unless a figure overrides it."""


def over_trials(values: xr.DataArray) -> tuple[Floats, Floats]:
    """Return mean and standard error (lam,) of values (lam, trial), ignoring NaN.

    The standard error is NaN where fewer than two trials have a value.
    """
    with np.errstate(invalid="ignore"):  # members that diverged have infinite losses
        return values.mean(names.TRIAL).values, standard_error(values).values


def draw(ax: Axes, x: NDArray[Any], mean: Floats, se: Floats, **line: Any) -> None:
    """Draw means with error bars of one standard error.

    Args:
        ax: Axes to draw on.
        x: (n,), positions.
        mean: (n,); NaN leaves a gap.
        se: (n,); NaN draws no bar.
        line: Color, marker, line style and label.
    """
    bars = np.where(np.isfinite(se), se, 0.0)
    ax.errorbar(x, mean, yerr=bars, **LINE | line)


def draw_log(ax: Axes, x: NDArray[Any], mean: Floats, se: Floats, **line: Any) -> None:
    """Draw means with error bars on a logarithmic axis.

    Means of 0 or less are left out, and bars that would reach 0 end at a tenth of the mean.

    Args:
        ax: Axes to draw on; the caller sets its scale.
        x: (n,), positions.
        mean: (n,); NaN leaves a gap.
        se: (n,); NaN draws no bar.
        line: Color, marker, line style and label.
    """
    positive = np.where(mean > 0, mean, np.nan)
    up = np.where(np.isfinite(se), se, 0.0)
    down = np.minimum(up, 0.9 * np.nan_to_num(positive, nan=np.inf))
    ax.errorbar(x, positive, yerr=(down, up), **LINE | line)
