"""Fractions: the exact interval of one, the difference of two on the same examples."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv

from jtdiag.stats.intervals import LEVEL, Interval, paired

Floats = NDArray[np.floating[Any]]


def clopper_pearson(
    successes: ArrayLike, attempts: ArrayLike, comparisons: int = 1
) -> tuple[Floats, Floats]:
    """Return the ends of the exact 95 % interval of a fraction, (...) each.

    Exact (Clopper and Pearson 1934): the coverage is at least 95 % whatever the true fraction. The
    attempts are assumed to be independent. NaN where there were none.

    Args:
        successes: (...), 0 … attempts.
        attempts: (...).
        comparisons: Size of the family of intervals that are to hold simultaneously (Bonferroni).
    """
    yes, total = np.asarray(successes, float), np.asarray(attempts, float)
    tail = (1 - LEVEL) / 2 / comparisons
    low = np.where(yes > 0, betaincinv(yes, total - yes + 1, tail), 0.0)
    high = np.where(yes < total, betaincinv(yes + 1, total - yes, 1 - tail), 1.0)
    return np.where(total > 0, low, np.nan), np.where(total > 0, high, np.nan)


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947) of two classifiers.

    Args:
        wins: Examples on which only the one is right.
        losses: Examples on which only the other is right.
    """
    total = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), total, 0.5))) if total else 1.0


def paired_fractions(wins: int, losses: int, examples: int, comparisons: int = 1) -> Interval:
    """Return the difference of two classifiers' accuracies on the same examples, as an interval.

    The interval excludes 0 only if McNemar's exact test is significant. It is the union of two:
    Student's over the paired examples, which is wrong for few of them, and the one that belongs to
    the exact test, which takes the number of examples on which only one is right as given.

    Args:
        wins: Examples on which only the one is right.
        losses: Examples on which only the other is right.
        examples: All of them.
        comparisons: Size of the family of intervals that are to hold simultaneously (Bonferroni).

    Returns:
        Of (wins − losses) / examples; without ends if both are right on the same examples.
    """
    one_is_right = wins + losses
    each = np.repeat([1.0, -1.0, 0.0], [wins, losses, examples - one_is_right])
    mean, low, high = paired(each, comparisons)
    if not one_is_right:
        return Interval(mean, np.nan, np.nan)
    share = clopper_pearson(wins, one_is_right, comparisons)
    exact = [(2 * float(end) - 1) * one_is_right / examples for end in share]
    return Interval(mean, float(np.nanmin([low, exact[0]])), float(np.nanmax([high, exact[1]])))
