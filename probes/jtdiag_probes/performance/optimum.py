"""Which of several candidates has the lowest error, and how sure that is, from a few trials."""

import itertools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

EXACT_UP_TO = 5
"""Trials up to which every resample is counted (5⁵ = 3,125); beyond, resamples are drawn."""
DRAWN = 4000


def resamples(trials: int, random: np.random.Generator) -> Floats:
    """Return how often each trial is in a resample, over trials: (resamples, trials).

    Rows add up to 1. Of few trials these are all ways to draw as many with replacement, so the
    bootstrap is exact.
    """
    if trials <= EXACT_UP_TO:
        drawn = np.array(list(itertools.product(range(trials), repeat=trials)))
    else:
        drawn = random.integers(trials, size=(DRAWN, trials))
    count = (drawn[:, :, None] == np.arange(trials)).sum(1)
    return np.asarray(count / trials)


def probabilities(errors: Floats, random: np.random.Generator) -> Floats:
    """Return the share of resamples in which each candidate has the lowest mean error, (n,).

    Trials are resampled whole: all candidates of a trial stay together, since they begin with the
    same weights. Equals share a resample. NaN for fewer than two trials.

    Args:
        errors: (n, trials), none NaN.
        random: Draws resamples where there are too many to count.
    """
    candidates, trials = errors.shape
    if trials < 2:
        return np.full(candidates, np.nan)
    means = resamples(trials, random) @ errors.T
    lowest = np.isclose(means, means.min(1, keepdims=True), rtol=0, atol=1e-12)
    return np.asarray((lowest / lowest.sum(1, keepdims=True)).mean(0))


def interval(probability: Floats, level: float = 0.95) -> tuple[int, int]:
    """Return the first and the last candidate of the central interval; (−1, −1) for NaN.

    Args:
        probability: Of each candidate, (n,), in their order, adding up to 1.
        level: Share that the interval holds at least; what lies outside is cut off on both sides.
    """
    if not np.isfinite(probability).all():
        return -1, -1
    tail = (1 - level) / 2
    below = np.cumsum(probability)
    return int(np.argmax(below > tail)), int(np.argmax(below >= 1 - tail - 1e-12))


def smoothed(means: Floats) -> Floats:
    """Return means (n,) averaged with their neighbours: weights ¼, ½, ¼, and ⅔, ⅓ at the ends.

    A straight line stays one, but for its ends. NaN where a neighbour is.
    """
    if len(means) < 3:
        return means.copy()
    inner = (means[:-2] + 2 * means[1:-1] + means[2:]) / 4
    ends = (2 * means[0] + means[1]) / 3, (2 * means[-1] + means[-2]) / 3
    return np.concatenate([ends[:1], inner, ends[1:]])
