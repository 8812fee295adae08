"""Bootstrap over trials: which of several candidates has the lowest error, and how certainly."""

import itertools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

EXACT_UP_TO = 5
"""Up to this many trials all resamples are enumerated (5⁵ = 3,125); of more, some are drawn."""
DRAWN = 4000


def resamples(trials: int, random: np.random.Generator) -> Floats:
    """Return the weight of each trial in each bootstrap resample, (resamples, trials).

    Rows add up to 1. For few trials these are all possible resamples, so the bootstrap is exact.
    """
    if trials <= EXACT_UP_TO:
        drawn = np.array(list(itertools.product(range(trials), repeat=trials)))
    else:
        drawn = random.integers(trials, size=(DRAWN, trials))
    count = (drawn[:, :, None] == np.arange(trials)).sum(1)
    return np.asarray(count / trials)


def probabilities(errors: Floats, random: np.random.Generator) -> Floats:
    """Return the share of resamples in which each candidate has the lowest mean error, (n,).

    All candidates of a trial are resampled together, since they start from the same weights.
    Candidates that tie share the resample equally. NaN for fewer than two trials.

    Args:
        errors: (n, trials), none NaN.
        random: Draws resamples where there are too many to enumerate.
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
        level: Least probability of the interval; the rest is cut off equally on both sides.
    """
    if not np.isfinite(probability).all():
        return -1, -1
    tail = (1 - level) / 2
    below = np.cumsum(probability)
    return int(np.argmax(below > tail)), int(np.argmax(below >= 1 - tail - 1e-12))


def smoothed(means: Floats) -> Floats:
    """Return means (n,) averaged with their neighbors: weights ¼, ½, ¼, and ⅔, ⅓ at the ends.

    A straight line does not change, except at its ends. NaN next to a NaN.
    """
    if len(means) < 3:
        return means.copy()
    inner = (means[:-2] + 2 * means[1:-1] + means[2:]) / 4
    ends = (2 * means[0] + means[1]) / 3, (2 * means[-1] + means[-2]) / 3
    return np.concatenate([ends[:1], inner, ends[1:]])
