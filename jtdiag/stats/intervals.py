"""Means with standard errors and Student's intervals, of trials and of their differences."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

LEVEL = 0.95
"""Confidence level of every interval."""

NO_SPREAD = 1e-12
"""Values that differ by no more than this fraction of the largest have no spread: rounding."""

Floats = NDArray[np.floating[Any]]


class Interval(NamedTuple):
    """A mean and the ends of its 95 % confidence interval; the ends are NaN where it has none."""

    mean: float
    low: float
    high: float

    @property
    def exists(self) -> bool:
        """Whether there is an interval around the mean."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.exists and not self.low <= 0 <= self.high

    def scaled(self, factor: float) -> "Interval":
        """Return it in another unit, such as percent for a factor of 100; the factor is > 0."""
        return Interval(factor * self.mean, factor * self.low, factor * self.high)

    def within(self, least: float, most: float) -> "Interval":
        """Return it without what the quantity cannot be; this loses no coverage."""
        low, high = np.clip([self.low, self.high], least, most)
        return Interval(self.mean, float(low), float(high))


NOTHING = Interval(np.nan, np.nan, np.nan)
"""Of no values at all."""


def standard_error(values: ArrayLike, axis: int = 0) -> Floats:
    """Return the standard error of the mean along an axis (n−1 in the variance).

    Values that are not finite are left out; the result is NaN where fewer than two are left.
    """
    array = np.asarray(values, float)
    array = np.where(np.isfinite(array), array, np.nan)
    count = np.isfinite(array).sum(axis, keepdims=True)
    mean = np.nansum(array, axis, keepdims=True) / np.maximum(count, 1)
    squares = np.nansum((array - mean) ** 2, axis)
    n = count.squeeze(axis)
    return np.sqrt(squares / np.where(n > 1, n - 1, np.nan) / np.maximum(n, 1))


def interval_ends(
    values: ArrayLike, axis: int = 0, comparisons: ArrayLike = 1
) -> tuple[Floats, Floats]:
    """Return the ends of Student's 95 % interval of the mean along an axis, as `mean_interval`.

    NaN is left out. The ends are NaN where `mean_interval` has none.

    Args:
        values: (…, n, …).
        axis: That of the n values.
        comparisons: As in `paired`, for each mean.

    Returns:
        Two arrays without the axis.
    """
    array = np.asarray(values, float)
    spread = _have_spread(array, axis)
    array = np.where(np.expand_dims(spread, axis), array, np.nan)
    count = np.where(spread, (~np.isnan(array)).sum(axis), np.nan)
    mean = np.nansum(array, axis) / count
    tail = (1 - LEVEL) / 2 / np.asarray(comparisons, float)
    reach = -stdtrit(count - 1, tail) * standard_error(array, axis)
    return mean - reach, mean + reach


def _have_spread(array: Floats, axis: int) -> NDArray[np.bool_]:
    """Return where two values or more are finite, none is infinite, and not all are equal."""
    known = ~np.isnan(array)
    top = np.max(array, axis, where=known, initial=-np.inf)
    bottom = np.min(array, axis, where=known, initial=np.inf)
    usable = np.isfinite(top) & np.isfinite(bottom) & (known.sum(axis) > 1)
    top, bottom = np.where(usable, top, 0), np.where(usable, bottom, 0)
    return usable & (top - bottom > NO_SPREAD * np.maximum(np.abs(top), np.abs(bottom)))


def mean_interval(values: ArrayLike) -> Interval:
    """Return the mean of values (n,) and Student's interval (n−1 degrees of freedom).

    The values are assumed to be independent and, if they are few, normally distributed. There is
    no interval for fewer than two, nor where one is infinite or all are equal: errors are whole
    numbers of examples, so a few trials may agree by chance, and zero spread is no certainty.

    Args:
        values: (n,), one for each trial; NaN is left out.
    """
    array = np.asarray(values, float)
    array = array[~np.isnan(array)]
    if not np.isfinite(array).all():
        return Interval(float(np.sum(array)), np.nan, np.nan)
    return paired(array)


def paired(differences: ArrayLike, comparisons: int = 1) -> Interval:
    """Return the mean of paired differences (n,) and Student's interval (n−1 degrees of freedom).

    The pairs are assumed to be independent and, if they are few, normally distributed. A single
    pair has no interval. Neither have pairs that all differ by the same amount: errors are whole
    numbers of examples, so a few trials may agree by chance, and zero spread is no certainty.

    Args:
        differences: (n,), one for each pair.
        comparisons: Size of the family of intervals that are to hold simultaneously (Bonferroni).
    """
    values = np.asarray(differences, float)
    if values.size == 0:
        return NOTHING
    return _around(float(values.mean()), squared_error(values), values.size - 1, comparisons)


def unpaired(a: ArrayLike, b: ArrayLike, comparisons: int = 1) -> Interval:
    """Return mean(b) − mean(a) of (n,) and (m,) values, and Welch's interval (1947).

    The variances may differ. There is no interval if a group has fewer than two values or no
    spread.

    Args:
        a: (n,), one for each trial.
        b: (m,), the same of the other group.
        comparisons: Size of the family of intervals that are to hold simultaneously (Bonferroni).
    """
    groups = [np.asarray(values, float) for values in (a, b)]
    mean = float(groups[1].mean() - groups[0].mean())
    return _around(mean, *welch(groups), comparisons)


def welch(groups: Sequence[Floats]) -> tuple[float, float]:
    """Return the squared standard error of a difference of two means, and Welch's freedom."""
    squares = np.array([squared_error(values) for values in groups])
    degrees = np.array([values.size for values in groups]) - 1
    freedom = squares.sum() ** 2 / (squares**2 / degrees).sum() if (degrees > 0).all() else np.nan
    return float(squares.sum()), float(freedom)


def squared_error(values: Floats) -> float:
    """Return the squared standard error of the mean of (n,); NaN without any spread."""
    if values.size < 2 or np.ptp(values) <= NO_SPREAD * np.abs(values).max():
        return np.nan
    return float(values.var(ddof=1) / values.size)


@lru_cache(maxsize=1024)
def quantile(tail: float, freedom: float) -> float:
    """Return what Student's t exceeds with a probability of `tail`."""
    return -float(stdtrit(freedom, tail))


def _around(mean: float, squared: float, freedom: float, comparisons: int) -> Interval:
    reach = quantile((1 - LEVEL) / 2 / comparisons, freedom) * np.sqrt(squared)
    return Interval(mean, float(mean - reach), float(mean + reach))
