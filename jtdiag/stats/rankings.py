"""How well scores rank sources by their true errors: Kendall's τ, regret, a static ranking."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag.stats.intervals import LEVEL, Interval, mean_interval

LEAST_SOURCES = 3
"""Sources below which there is no ranking to speak of."""
RESAMPLES = 2000
"""Bootstrap samples."""
LEAST_VALUES = 5
"""Values below which resampling them gives no interval."""

Floats = NDArray[np.floating[Any]]


def kendall(scores: Floats, errors: Floats) -> Floats:
    """Return Kendall's τ-b (targets,) of scores (sources, targets) with small errors, −1 to 1.

    1 if the source with the larger score always has the smaller error. Ties count as in τ-b. NaN
    for fewer than three sources with both, or if all scores or all errors are the same.
    """
    return np.array([_kendall(*_finite(s, -e)) for s, e in zip(scores.T, errors.T, strict=True)])


def _kendall(a: Floats, b: Floats) -> float:
    if a.size < LEAST_SOURCES or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    from scipy.stats import kendalltau  # importing it takes a second

    return float(kendalltau(a, b).statistic)


def regret(scores: Floats, errors: Floats) -> Floats:
    """Return (targets,) how much larger the error of the source with the largest score is.

    Larger than the smallest error; ≥ 0, in the unit of the errors. The mean over sources that
    share the largest score. NaN for fewer than three sources with both.
    """
    return np.array([_regret(*_finite(s, e)) for s, e in zip(scores.T, errors.T, strict=True)])


def _regret(scores: Floats, errors: Floats) -> float:
    if scores.size < LEAST_SOURCES:
        return float("nan")
    return float(errors[scores == scores.max()].mean() - errors.min())


def random_regret(errors: Floats) -> Floats:
    """Return (targets,) how much larger the mean error (sources, targets) is than the smallest.

    The expected regret of a source that is chosen at random. NaN for fewer than three sources.
    """
    known = np.isfinite(errors)
    count = known.sum(0)
    mean = np.where(known, errors, 0).sum(0) / np.maximum(count, 1)
    smallest = np.where(known, errors, np.inf).min(0, initial=np.inf)
    return np.asarray(np.where(count >= LEAST_SOURCES, mean - smallest, np.nan))


def static_scores(errors: Floats) -> Floats:
    """Return scores (sources, targets): minus the mean error of a source over the other targets.

    A ranking that has not seen the target, the same for targets alike: a score for the target must
    do better to be of use. NaN for a source without an error on another target.
    """
    known = np.isfinite(errors)
    values = np.where(known, errors, 0)
    others = known.sum(1, keepdims=True) - known
    total = values.sum(1, keepdims=True) - values
    return np.asarray(np.where(others > 0, -total / np.maximum(others, 1), np.nan))


def bootstrap_interval(values: Floats, seed: int = 0) -> Interval:
    """Return the mean of values (n,), and its 95 % percentile interval over resamples of them.

    Ignores NaN. No interval for fewer than five values, or if all are the same.
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    mean = mean_interval(known)
    if known.size < LEAST_VALUES or not mean.exists:
        return Interval(mean.mean, float("nan"), float("nan"))
    few = np.random.default_rng(seed).integers(0, known.size, (RESAMPLES, known.size))
    low, high = np.quantile(known[few].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean.mean, float(low), float(high))


def _finite(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the elements at which both are finite."""
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both]
