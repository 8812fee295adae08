"""Means, standard errors, confidence intervals and paired differences, and their formatting."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, t as student

LEVEL = 0.95
"""Confidence level of every interval."""

Floats = NDArray[np.floating[Any]]


# --- formatting ----------------------------------------------------------------------------------


def plus_minus(mean: float, se: float, form: str = ".1f", unit: str = "") -> str:
    """Return a mean with its standard error, "11.6 ± 0.1 %"; the mean alone where SE is NaN.

    Args:
        mean: In the unit that is printed; the caller multiplies errors by 100.
        se: Standard error; NaN where there is none, as for a single trial.
        form: Format of both numbers.
        unit: Printed after them, such as "%" or "nats".
    """
    text = f"{mean:{form}} ± {se:{form}}" if np.isfinite(se) else f"{mean:{form}}"
    return f"{text} {unit}".rstrip().replace("-", "−")


def signed(value: float, form: str = ".2f") -> str:
    """Return a difference with its sign: "+0.20", "−1.30"."""
    return f"{value:+{form}}".replace("-", "−")


def listed(items: Sequence[str]) -> str:
    """Return items as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


# --- standard errors and intervals ---------------------------------------------------------------


def standard_error(values: ArrayLike, axis: int = 0) -> Floats:
    """Return the standard error of the mean along an axis (n−1 in the variance).

    NaN is left out; the result is NaN where fewer than two values are finite.
    """
    array = np.asarray(values, float)
    count = np.isfinite(array).sum(axis, keepdims=True)
    mean = np.nansum(array, axis, keepdims=True) / np.maximum(count, 1)
    squares = np.nansum((array - mean) ** 2, axis)
    n = count.squeeze(axis)
    return np.sqrt(squares / np.where(n > 1, n - 1, np.nan) / np.maximum(n, 1))


def clopper_pearson(successes: ArrayLike, attempts: ArrayLike) -> tuple[Floats, Floats]:
    """Return the ends of the exact 95 % interval of a fraction, (...) each.

    Exact (Clopper and Pearson 1934): the coverage is at least 95 % whatever the true fraction. The
    attempts are assumed to be independent. NaN where there were none.

    Args:
        successes: (...), 0 … attempts.
        attempts: (...).
    """
    yes, total = np.asarray(successes, float), np.asarray(attempts, float)
    tail = (1 - LEVEL) / 2
    low = np.where(yes > 0, beta.ppf(tail, yes, total - yes + 1), 0.0)
    high = np.where(yes < total, beta.ppf(1 - tail, yes + 1, total - yes), 1.0)
    return np.where(total > 0, low, np.nan), np.where(total > 0, high, np.nan)


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
        return Interval(np.nan, np.nan, np.nan)
    return _around(float(values.mean()), _squared_error(values), values.size - 1, comparisons)


def unpaired(a: ArrayLike, b: ArrayLike) -> Interval:
    """Return mean(b) − mean(a) of (n,) and (m,) values, and Welch's interval (1947).

    The variances may differ. There is no interval if a group has fewer than two values or no
    spread.
    """
    groups = [np.asarray(values, float) for values in (a, b)]
    squares = np.array([_squared_error(values) for values in groups])
    degrees = np.array([values.size for values in groups]) - 1
    freedom = squares.sum() ** 2 / (squares**2 / degrees).sum() if degrees.all() else np.nan
    return _around(float(groups[1].mean() - groups[0].mean()), float(squares.sum()), float(freedom))


def against_lowest(values: ArrayLike) -> tuple[int, list[Interval]]:
    """Compare every candidate with the one that has the lowest mean; intervals are simultaneous.

    The candidate with the lowest mean is selected by the same values, so the comparisons with it
    are among those of all pairs. Each interval is a paired Student interval with a Bonferroni
    correction for all k (k−1) / 2 pairs of the k candidates that have values. All differences are
    thus covered with a probability of at least 95 %, whichever candidate is selected and however
    much the variances of candidates differ.

    Args:
        values: (candidates, trials); trial t of all candidates is a pair. What is not finite is
            missing, and a pair needs both values.

    Returns:
        Index of the lowest mean, the first among equals, or −1 if there are no values; and for
        each candidate the interval of its mean minus the lowest. The mean of the lowest itself is
        0, without an interval.
    """
    array = np.asarray(values, float)
    array = np.where(np.isfinite(array), array, np.nan)
    measured = np.flatnonzero(np.isfinite(array).any(1))
    nothing = Interval(np.nan, np.nan, np.nan)
    if measured.size == 0:
        return -1, [nothing] * len(array)
    lowest = int(measured[np.argmin(np.nanmean(array[measured], 1))])
    pairs = measured.size * (measured.size - 1) // 2
    intervals = [
        nothing if np.isnan(row).all() else paired(row[np.isfinite(row)], max(1, pairs))
        for row in array - array[lowest]
    ]
    intervals[lowest] = Interval(0.0, np.nan, np.nan)
    return lowest, intervals


def _squared_error(values: Floats) -> float:
    """Return the squared standard error of the mean; NaN without any spread, beyond rounding."""
    if values.size < 2 or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return np.nan
    return float(values.var(ddof=1) / values.size)


def _around(mean: float, squared_error: float, freedom: float, comparisons: int = 1) -> Interval:
    reach = _quantile((1 - LEVEL) / 2 / comparisons, freedom) * np.sqrt(squared_error)
    return Interval(mean, float(mean - reach), float(mean + reach))


@lru_cache(maxsize=1024)
def _quantile(tail: float, freedom: float) -> float:
    return float(student.isf(tail, freedom))
