"""How unequal the members are: arithmetic on their errors, along the last axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def gini(values: Floats) -> Floats:
    """Return the Gini coefficient of values (..., M), each 0 or more, in [0, (M − 1)/M].

    It is half the mean difference of two members over the mean: 0 when all are equal, (M − 1)/M
    when one has everything. NaN where all are 0.
    """
    members = values.shape[-1]
    weight = 2 * np.arange(1, members + 1) - members - 1
    total = values.sum(-1)
    apart = (weight * np.sort(values, axis=-1)).sum(-1)
    return np.where(total > 0, apart / np.where(total > 0, members * total, 1.0), np.nan)


def entropy(values: Floats) -> Floats:
    """Return the entropy of the members' shares of values (..., M), in nats, in [0, ln M].

    ln M when all are equal, 0 when one has everything. NaN where all are 0.
    """
    total = values.sum(-1, keepdims=True)
    share = np.where(total > 0, values / np.where(total > 0, total, 1.0), np.nan)
    some = np.where(share > 0, share, 1.0)
    return np.where(np.isnan(share).any(-1), np.nan, -(some * np.log(some)).sum(-1))


def best_to_median(values: Floats) -> Floats:
    """Return the lowest over the median of values (..., M), in [0, 1]; NaN where the median is 0.

    1 when the best is no better than the median, near 0 when it leaves the others far behind.
    """
    median = np.median(values, axis=-1)
    return np.where(median > 0, values.min(-1) / np.where(median > 0, median, 1.0), np.nan)
