"""Means over trials with standard errors, against λ."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from jtdiag import names


def over_trials(values: xr.DataArray) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return mean and standard error (lam) of values (lam, trial); the error is NaN for one trial.

    Trials of which nothing is known are left out.
    """
    known = values.transpose(names.LAM, names.TRIAL)
    count, mean = known.notnull().sum(names.TRIAL), known.mean(names.TRIAL)
    spread = ((known - mean) ** 2).sum(names.TRIAL)
    error = (spread / (count - 1).where(count > 1) / count) ** 0.5
    return mean.values, error.values


def draw(
    ax: Axes, mean: NDArray[np.floating], error: NDArray[np.floating], scale: float, **look: Any
) -> None:
    """Draw means (lam) with bars of one standard error, spaced evenly, on the given axes.

    Args:
        ax: Where to draw.
        mean: Any numbers; NaN leaves a gap.
        error: NaN for no bar.
        scale: What both are multiplied by, such as 100 for percent.
        look: Colour, marker, line and label.
    """
    bars = np.where(np.isfinite(error), error, 0.0)
    at = np.arange(len(mean))
    ax.errorbar(at, scale * mean, yerr=scale * bars, markersize=3.5, capsize=2, **look)
