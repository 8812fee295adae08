"""Numbers that sum up a curve of accuracy against the members dropped."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Floats = NDArray[np.floating[Any]]

POINT = 0.01
"""The fall of accuracy that counts: one point."""


def tolerated_fraction(accuracy: Floats, fall: float = POINT) -> float:
    """Return the fraction of members that may be dropped before accuracy has fallen by `fall`.

    Where the curve first reaches that accuracy, interpolated between whole members;
    (M−1)/M where it never does; NaN for one member.

    Args:
        accuracy: (M,), with 0 … M−1 members dropped.
        fall: As a fraction, 0.01 for one point.
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
    """Return the mean height of a curve (M,) by the trapezoidal rule, 0 to 1.

    Over the fraction dropped, from 0 to (M−1)/M; a single member has its accuracy.
    """
    if len(accuracy) == 1:
        return float(accuracy[0])
    return float(np.trapezoid(accuracy) / (len(accuracy) - 1))


def probabilities(members: int, trials: int, points: int = 20) -> Floats:
    """Return the authors' grid of probabilities to keep a member, from p_min to 1, (points,).

    With p_min, in all `trials` at least one member is kept with probability 0.999:
    p_min = 1 − (1 − 0.999^(1/trials))^(1/M).
    """
    return np.linspace(1 - (1 - 0.999 ** (1 / trials)) ** (1 / members), 1, points)


def by_probability(accuracy: Floats, probability: Floats, none: float) -> Floats:
    """Return the accuracy when every member is kept with a probability, (..., points).

    The number kept is binomial, and given it the subset is uniform: so the expectation is a mean
    of the curve with binomial weights, and nothing has to be drawn.

    Args:
        accuracy: (..., M), with 1 … M members kept.
        probability: (points,)
        none: Accuracy when no member is kept.
    """
    members = accuracy.shape[-1]
    weights = binom.pmf(np.arange(members + 1), members, probability[:, None])
    empty = np.full((*accuracy.shape[:-1], 1), none)
    return np.asarray(np.concatenate([empty, accuracy], -1) @ weights.T)
