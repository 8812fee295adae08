"""Summary statistics of a curve of accuracy against the number of dropped members."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Floats = NDArray[np.floating[Any]]

POINT = 0.01
"""A loss of accuracy that counts: 1 percentage point."""


def tolerated_fraction(accuracy: Floats, fall: float = POINT) -> float:
    """Return the fraction of members that can be dropped before accuracy falls by `fall`.

    This is where the curve first reaches that accuracy, interpolated linearly between numbers of
    members; (M−1)/M if it never does; NaN for one member.

    Args:
        accuracy: (M,), with 0 … M−1 members dropped.
        fall: Loss of accuracy, 0.01 for 1 point.
    """
    members = len(accuracy)
    if members == 1 or not np.isfinite(accuracy).all():
        return float("nan")
    below = np.flatnonzero(accuracy <= accuracy[0] - fall)
    if below.size == 0:
        return (members - 1) / members
    after = int(below[0])
    left, right = accuracy[after - 1], accuracy[after]
    return float((after - 1 + (left - (accuracy[0] - fall)) / (left - right)) / members)


def area_under_curve(accuracy: Floats) -> float:
    """Return the mean of an accuracy curve (M,) over the fraction dropped, 0 to (M−1)/M.

    By the trapezoidal rule. For a single member, its accuracy.
    """
    if len(accuracy) == 1:
        return float(accuracy[0])
    return float(np.trapezoid(accuracy) / (len(accuracy) - 1))


def probabilities(members: int, trials: int, points: int = 20) -> Floats:
    """Return the grid of probabilities to keep a member of Webb et al. (2020), (points,).

    The grid starts at p_min, at which each of `trials` trials keeps at least one member with a
    joint probability of 0.999: p_min = 1 − (1 − 0.999^(1/trials))^(1/M).
    """
    return np.linspace(1 - (1 - 0.999 ** (1 / trials)) ** (1 / members), 1, points)


def by_probability(accuracy: Floats, probability: Floats, none: float) -> Floats:
    """Return the expected accuracy if each member is kept with a probability, (..., points).

    The number of members kept is binomial and the subset is uniform given that number, so the
    expectation is a binomially weighted mean of the curve. No sampling is needed.

    Args:
        accuracy: (..., M), with 1 … M members kept.
        probability: (points,)
        none: Accuracy if no member is kept.
    """
    members = accuracy.shape[-1]
    weights = binom.pmf(np.arange(members + 1), members, probability[:, None])
    empty = np.full((*accuracy.shape[:-1], 1), none)
    return np.asarray(np.concatenate([empty, accuracy], -1) @ weights.T)
