"""Tests of differences between candidates, such as λs, that hold for all of them together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jtdiag.stats.intervals import NOTHING, Floats, Interval, interval_ends, paired

LEAST_TRIALS = 3
"""Paired trials below which no candidate is said to be worse than the best of several.

Two trials estimate a standard deviation from a single difference: the interval of one of seven
candidates is then 267 standard errors wide on either side, so that nothing is learnt from it.
"""


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
    intervals = [
        NOTHING if np.isnan(row).all() else paired(row[np.isfinite(row)], max(1, others))
        for row in array - array[reference]
    ]
    if np.isfinite(array[reference]).any():
        intervals[reference] = Interval(0.0, np.nan, np.nan)
    return intervals


class FromLowest(NamedTuple):
    """How much higher the mean of each candidate is than the lowest, for one or many data sets."""

    lowest: NDArray[np.intp]
    """(…), index of the lowest mean, the first among equals; −1 if there are no values."""
    mean: Floats
    """(…, candidates), mean difference over pairs; 0 for the lowest, NaN without pairs."""
    low: Floats
    """(…, candidates), lower end of its simultaneous interval; NaN where it has none."""
    high: Floats
    """(…, candidates), upper end."""

    @property
    def worse(self) -> NDArray[np.bool_]:
        """(…, candidates), where the interval is above 0."""
        return self.low > 0


def from_lowest(values: ArrayLike) -> FromLowest:
    """Compare every candidate with the one that has the lowest mean, see `against_lowest`.

    Args:
        values: (…, candidates, trials), as there.
    """
    array = _finite(values)
    counts = np.isfinite(array).sum(-1)
    means = np.where(counts > 0, np.nansum(array, -1) / np.maximum(counts, 1), np.inf)
    lowest = means.argmin(-1)
    chosen = lowest[..., None, None]
    differences = array - np.take_along_axis(array, chosen, -2)
    candidates = (counts > 0).sum(-1, keepdims=True)
    low, high = interval_ends(differences, -1, np.maximum(pairs(candidates), 1))
    paired_trials = np.isfinite(differences).sum(-1)
    mean = np.nansum(differences, -1) / np.where(paired_trials > 0, paired_trials, np.nan)
    return FromLowest(np.where(candidates[..., 0] > 0, lowest, -1), mean, low, high)


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
    lowest, mean, low, high = from_lowest(values)
    return int(lowest), [
        Interval(*ends) for ends in zip(*map(list, (mean, low, high)), strict=True)
    ]


def best_set(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which candidates are not significantly worse than the one with the lowest mean.

    A candidate is left out if its interval of `against_lowest` is above 0. With a probability of
    at least 95 % no candidate is left out that is truly as good as the best, whether there is one
    best candidate or all are equal: a model confidence set (Hansen, Lunde and Nason 2011), by
    paired Student tests instead of a bootstrap, which needs many trials. A candidate is left out
    only on the evidence of `LEAST_TRIALS` pairs or more that do not all differ by the same amount.
    A large set is no evidence that candidates are equal; see `smallest_detectable`.

    Args:
        values: (…, candidates, trials), as in `against_lowest`; lower is better.

    Returns:
        (…, candidates); False also for candidates without values.
    """
    array = _finite(values)
    compared = from_lowest(array)
    lowest = np.maximum(compared.lowest, 0)[..., None, None]
    shared = np.isfinite(array) & np.isfinite(np.take_along_axis(array, lowest, -2))
    worse = compared.worse & (shared.sum(-1) >= LEAST_TRIALS)
    return np.isfinite(array).any(-1) & ~worse


def pairs(candidates: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return the number of pairs of candidates: the family of `against_lowest`."""
    return candidates * (candidates - 1) // 2


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, float)
    return np.where(np.isfinite(array), array, np.nan)
