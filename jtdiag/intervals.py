"""Intervals for what was counted in few trials."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

LEVEL = 0.95
"""Confidence of every interval."""

Floats = NDArray[np.floating[Any]]


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
