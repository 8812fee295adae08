"""How large a difference a test could have detected."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtr

from jtdiag.stats.intervals import LEVEL, quantile, squared_error, welch

POWER = 0.8
"""Probability with which the smallest detectable difference is detected."""

_SLICES = 2000
"""Equally probable slices of the distribution of the standard error; 1e-4 of the result."""


def smallest_detectable(
    differences: ArrayLike, comparisons: int = 1, power: float = POWER
) -> float:
    """Return the true mean difference that the test of `paired` detects with a probability.

    The standard deviation of the pairs is taken to be that of the sample, which with two or three
    pairs is itself uncertain by a factor of 2 or more. From the noncentral t distribution.

    Args:
        differences: (n,), one for each pair; what is not finite is left out.
        comparisons: As in `paired`.
        power: Probability of detection, above (1 − 95 %) / comparisons and below 1.

    Returns:
        A difference > 0 in the unit of the values; NaN for fewer than two pairs or no spread.
    """
    values = np.asarray(differences, float)
    values = values[np.isfinite(values)]
    squared = squared_error(values)
    if not np.isfinite(squared):
        return float("nan")
    return float(_standard_errors(values.size - 1, comparisons, power) * np.sqrt(squared))


def smallest_detectable_unpaired(
    a: ArrayLike, b: ArrayLike, comparisons: int = 1, power: float = POWER
) -> float:
    """Return the true difference of means that the test of `unpaired` detects, as above.

    Args:
        a: (n,), one for each trial.
        b: (m,), the same of the other group.
        comparisons: As in `unpaired`.
        power: Probability of detection.
    """
    groups = [np.asarray(values, float) for values in (a, b)]
    squared, freedom = welch([group[np.isfinite(group)] for group in groups])
    if not (np.isfinite(squared) and freedom > 0):
        return float("nan")
    return float(_standard_errors(freedom, comparisons, power) * np.sqrt(squared))


@lru_cache(maxsize=1024)
def _standard_errors(freedom: float, comparisons: int, power: float) -> float:
    """Return the smallest detectable difference in standard errors: the noncentrality."""
    limit = quantile((1 - LEVEL) / 2 / comparisons, freedom)
    chance = (np.arange(_SLICES) + 0.5) / _SLICES
    # Quantiles of chi-squared, divided by its degrees of freedom.
    limits = limit * np.sqrt(2 * gammaincinv(freedom / 2, chance) / freedom)

    def excess(noncentrality: float) -> float:
        above = ndtr(noncentrality - limits) + ndtr(-noncentrality - limits)
        return float(above.mean()) - power

    return float(brentq(excess, 0, limits[-1] + 10, xtol=1e-9))
