"""Tests of differences between candidates, such as λs, that hold for all of them together."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from jtdiag.stats.intervals import NOTHING, Floats, Interval, paired


def against_reference(values: ArrayLike, reference: int) -> list[Interval]:
    """Compare every candidate with one that was chosen before; intervals are simultaneous.

    Paired Student intervals with a Bonferroni correction for the k − 1 other candidates that have
    values. Unlike Dunnett's (1955) intervals, which pool the variances, they hold however much the
    variances of the candidates differ.

    Args:
        values: (candidates, trials); trial t of all candidates is a pair. What is not finite is
            missing, and a pair needs both values.
        reference: Index of the candidate. If it was selected by the same values, use
            `against_lowest`.

    Returns:
        For each candidate the interval of its mean minus that of the reference. The mean of the
        reference itself is 0, without an interval.
    """
    array = _finite(values)
    others = int(np.isfinite(array).any(1).sum()) - 1
    return _differences(array, reference, max(1, others))


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
    array = _finite(values)
    measured = np.flatnonzero(np.isfinite(array).any(1))
    if measured.size == 0:
        return -1, [NOTHING] * len(array)
    lowest = int(measured[np.argmin(np.nanmean(array[measured], 1))])
    return lowest, _differences(array, lowest, max(1, pairs(measured.size)))


def best_set(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which candidates are not significantly worse than the one with the lowest mean.

    A candidate is left out if its interval of `against_lowest` is above 0. With a probability of
    at least 95 % no candidate is left out that is truly as good as the best, whether there is one
    best candidate or all are equal: a model confidence set (Hansen, Lunde and Nason 2011), by
    paired Student tests instead of a bootstrap, which needs many trials. With a single trial, or
    where trials differ by the same amount, nothing is left out. The set is then no evidence that
    candidates are equal; see `smallest_detectable`.

    Args:
        values: (candidates, trials), as in `against_lowest`; lower is better.

    Returns:
        (candidates,); False also for candidates without values.
    """
    lowest, intervals = against_lowest(values)
    return np.array(
        [
            i == lowest or (np.isfinite(interval.mean) and not interval.low > 0)
            for i, interval in enumerate(intervals)
        ],
        dtype=bool,
    )


def pairs(candidates: int) -> int:
    """Return the number of pairs of candidates: the family of `against_lowest`."""
    return candidates * (candidates - 1) // 2


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947) of two classifiers.

    Args:
        wins: Examples on which only the one is right.
        losses: Examples on which only the other is right.
    """
    total = wins + losses
    return float(binomtest(wins, total).pvalue) if total else 1.0


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, float)
    return np.where(np.isfinite(array), array, np.nan)


def _differences(array: NDArray[Any], reference: int, comparisons: int) -> list[Interval]:
    intervals = [
        NOTHING if np.isnan(row).all() else paired(row[np.isfinite(row)], comparisons)
        for row in array - array[reference]
    ]
    if np.isfinite(array[reference]).any():
        intervals[reference] = Interval(0.0, np.nan, np.nan)
    return intervals
