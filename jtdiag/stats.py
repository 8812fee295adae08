"""Means, standard errors, confidence intervals and paired differences, and how they are written."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, t as student

LEVEL = 0.95
"""Confidence of every interval."""

Floats = NDArray[np.floating[Any]]


def standard_error(values: ArrayLike, axis: int = 0) -> Floats:
    """Return the standard error of the mean along an axis (n−1 in the variance).

    NaN is left out; the result is NaN where fewer than two values are known.
    """
    given = np.asarray(values, float)
    count = np.isfinite(given).sum(axis, keepdims=True)
    mean = np.nansum(given, axis, keepdims=True) / np.maximum(count, 1)
    squares = np.nansum((given - mean) ** 2, axis)
    known = count.squeeze(axis)
    return np.sqrt(squares / np.where(known > 1, known - 1, np.nan) / np.maximum(known, 1))


def plus_minus(mean: float, se: float, form: str = ".1f", unit: str = "") -> str:
    """Return "11.6 ± 0.1 %": a mean with its standard error, or alone where that is not known.

    Args:
        mean: In the unit that is printed; errors are multiplied by 100 by the caller.
        se: Standard error; NaN where there is none, as for a single trial.
        form: Format of both numbers.
        unit: Printed after them, such as "%" or "nats".
    """
    text = f"{mean:{form}} ± {se:{form}}" if np.isfinite(se) else f"{mean:{form}}"
    return f"{text} {unit}".rstrip().replace("-", "−")


def clopper_pearson(held: ArrayLike, of: ArrayLike) -> tuple[Floats, Floats]:
    """Return the ends of the exact interval of a fraction, (...) each, at 95 % confidence.

    Exact (Clopper and Pearson 1934): whatever the true fraction, the interval holds it at least
    that often. It takes the trials as independent. NaN where nothing was tried.

    Args:
        held: (...), how often it held, 0 … of.
        of: (...), how often it was tried.
    """
    yes, all_ = np.asarray(held, float), np.asarray(of, float)
    tail = (1 - LEVEL) / 2
    low = np.where(yes > 0, beta.ppf(tail, yes, all_ - yes + 1), 0.0)
    high = np.where(yes < all_, beta.ppf(1 - tail, yes + 1, all_ - yes), 1.0)
    return np.where(all_ > 0, low, np.nan), np.where(all_ > 0, high, np.nan)


class Interval(NamedTuple):
    """A mean and the ends of its interval at 95 % confidence; NaN where nobody can tell."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.known and not self.low <= 0 <= self.high


def paired(differences: ArrayLike) -> Interval:
    """Return the mean of differences (n,) and Student's interval with n−1 degrees of freedom.

    It takes the pairs as independent draws; for few of them, as normal ones, too. A single pair
    has no interval, nor have pairs of one and the same difference: errors are whole numbers of
    examples, so that a few trials may agree by chance, and no spread would be taken for certainty.
    """
    values = np.asarray(differences, float)
    if values.size == 0:
        return Interval(np.nan, np.nan, np.nan)
    return _around(float(values.mean()), _squared_error(values), values.size - 1)


def unpaired(a: ArrayLike, b: ArrayLike) -> Interval:
    """Return mean(b) − mean(a) of (n,) and (m,) values, and Welch's interval (1947).

    Variances may differ; a group of fewer than two, or without any spread, has no interval.
    """
    groups = [np.asarray(values, float) for values in (a, b)]
    squares = np.array([_squared_error(values) for values in groups])
    degrees = np.array([values.size for values in groups]) - 1
    freedom = squares.sum() ** 2 / (squares**2 / degrees).sum() if degrees.all() else np.nan
    return _around(float(groups[1].mean() - groups[0].mean()), float(squares.sum()), float(freedom))


def _squared_error(values: Floats) -> float:
    """Return the squared standard error of the mean; NaN without any spread, beyond rounding."""
    if values.size < 2 or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return np.nan
    return float(values.var(ddof=1) / values.size)


def _around(mean: float, squared_error: float, freedom: float) -> Interval:
    reach = student.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(squared_error)
    return Interval(mean, float(mean - reach), float(mean + reach))
