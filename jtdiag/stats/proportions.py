"""The exact interval of a fraction."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from jtdiag.stats.intervals import LEVEL

Floats = NDArray[np.floating[Any]]


def clopper_pearson(successes: ArrayLike, attempts: ArrayLike) -> tuple[Floats, Floats]:
    """Return the ends of the exact 95 % interval of a fraction, (...) each.

    Exact (Clopper and Pearson 1934): the coverage is at least 95 % whatever the true fraction. The
    attempts are assumed to be independent. NaN where there were none.

    Args:
        successes: (...), 0 … attempts.
        attempts: (...).
    """
    yes, total = np.asarray(successes, float), np.asarray(attempts, float)
    tail = (1 - LEVEL) / 2
    low = np.where(yes > 0, beta.ppf(tail, yes, total - yes + 1), 0.0)
    high = np.where(yes < total, beta.ppf(1 - tail, yes + 1, total - yes), 1.0)
    return np.where(total > 0, low, np.nan), np.where(total > 0, high, np.nan)
