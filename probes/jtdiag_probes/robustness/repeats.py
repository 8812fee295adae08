"""Mean and standard error over repeated random draws."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag.stats import standard_error

Floats = NDArray[np.floating[Any]]


def mean_and_error(by_repeat: Floats) -> tuple[Floats, Floats]:
    """Return the mean over repeats (repeats, ...) and its standard error, (...) each.

    Unlike a trial, a repeat is never left out: both are NaN where one repeat is not finite. The
    error is also NaN for a single repeat.
    """
    mean = np.asarray(by_repeat.mean(0))
    return mean, np.where(np.isfinite(mean), standard_error(by_repeat), np.nan)
