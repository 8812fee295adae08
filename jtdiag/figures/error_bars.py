"""Means over trials, and how they are drawn with their 95 % intervals."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import stdtrit

from jtdiag import names
from jtdiag.probing.over_trials import interval_ends
from jtdiag.stats import LEVEL

Floats = NDArray[np.floating]
Means = tuple[Floats, Floats, Floats]
"""Means (n,) and the lower and upper ends of their intervals; ends are NaN where there are none."""
LINE = {"markersize": 3.5, "capsize": 2}
"""How points with error bars look unless a figure overrides it."""


def over_trials(values: xr.DataArray) -> Means:
    """Return means and Student's 95 % intervals (lam,) of values (lam, trial), ignoring NaN.

    There is no interval where fewer than two trials have a value, or where all are equal.
    """
    with np.errstate(invalid="ignore"):  # members that diverged have infinite losses
        low, high = interval_ends(values)
        return values.mean(names.TRIAL).values, low.values, high.values


def in_percent(fractions: xr.DataArray) -> Means:
    """Return `over_trials` of fractions (lam, trial) in percent; no interval reaches below 0."""
    return _percent(*over_trials(fractions))


def of_result(result: xr.Dataset, name: str) -> Means:
    """Return means and 95 % intervals of a fraction in a result that has them, in percent.

    Results of older versions have no ``<name>_low`` and ``<name>_high``; intervals are then
    computed from the values by trial.

    Args:
        result: With ``<name>_mean``, and either the ends of its intervals or ``<name>`` by trial.
        name: Name of the variable by trial.
    """
    mean = result[f"{name}_mean"]
    if f"{name}_low" in result:
        low, high = result[f"{name}_low"], result[f"{name}_high"]
    else:
        low, high = interval_ends(result[name])
    return _percent(mean.values, low.values, high.values)


def _percent(mean: Floats, low: Floats, high: Floats) -> Means:
    return 100 * mean, 100 * np.maximum(low, 0), 100 * high


def around(mean: Floats, se: Floats, trials: Floats) -> Means:
    """Return Student's 95 % intervals (n,) around means with known standard errors.

    Args:
        mean: (n,)
        se: (n,); NaN where there is none.
        trials: (n,), numbers of trials behind the standard errors.
    """
    freedom = np.where(trials > 1, trials - 1, np.nan)
    reach = -stdtrit(freedom, (1 - LEVEL) / 2) * se
    return mean, mean - reach, mean + reach


def draw(ax: Axes, x: NDArray[Any], means: Means, **line: Any) -> None:
    """Draw means with their intervals as error bars.

    Args:
        ax: Axes to draw on.
        x: (n,), positions.
        means: NaN in a mean leaves a gap; NaN in its interval draws no bar.
        line: Color, marker, line style and label.
    """
    mean, low, high = means
    ax.errorbar(x, mean, yerr=(_length(mean - low), _length(high - mean)), **LINE | line)


def draw_log(ax: Axes, x: NDArray[Any], means: Means, **line: Any) -> None:
    """Draw means with their intervals as error bars on a logarithmic axis.

    Means of 0 or less are left out, and bars that would reach 0 end at a tenth of the mean.

    Args:
        ax: Axes to draw on; the caller sets its scale.
        x: (n,), positions.
        means: NaN in a mean leaves a gap; NaN in its interval draws no bar.
        line: Color, marker, line style and label.
    """
    mean, low, high = means
    positive = np.where(mean > 0, mean, np.nan)
    down = np.minimum(_length(positive - low), 0.9 * np.nan_to_num(positive, nan=np.inf))
    ax.errorbar(x, positive, yerr=(down, _length(high - positive)), **LINE | line)


def fill(ax: Axes, x: NDArray[Any], means: Means, color: str) -> None:
    """Fill the intervals around a line as a band; nothing where there are none.

    Args:
        ax: Axes to draw on.
        x: (n,), positions.
        means: Of accuracies in percent: the band ends at 0 and 100.
        color: Color of the line.
    """
    _, low, high = means
    if np.isfinite(low).any():
        low, high = np.clip(low, 0, 100), np.clip(high, 0, 100)
        ax.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)


def _length(length: Floats) -> Floats:
    return np.where(np.isfinite(length), length, 0.0)
