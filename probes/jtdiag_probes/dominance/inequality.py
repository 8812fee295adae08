"""Measures of inequality of the members' errors, along the last axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def gini(values: Floats) -> Floats:
    """Return the Gini coefficient of nonnegative values (..., M), in [0, (M − 1)/M].

    Half the mean absolute difference over the mean: 0 if all are equal, (M − 1)/M if only one is
    nonzero. NaN if all are 0.
    """
    members = values.shape[-1]
    weight = 2 * np.arange(1, members + 1) - members - 1
    total = values.sum(-1)
    weighted = (weight * np.sort(values, axis=-1)).sum(-1)
    return np.where(total > 0, weighted / np.where(total > 0, members * total, 1.0), np.nan)


def entropy(values: Floats) -> Floats:
    """Return the entropy of the members' shares of values (..., M), in nats, in [0, ln M].

    ln M if all are equal, 0 if only one is nonzero. NaN if all are 0.
    """
    total = values.sum(-1, keepdims=True)
    share = np.where(total > 0, values / np.where(total > 0, total, 1.0), np.nan)
    positive = np.where(share > 0, share, 1.0)  # 1 contributes 0 to the entropy
    return np.where(np.isnan(share).any(-1), np.nan, -(positive * np.log(positive)).sum(-1))


def best_to_median(values: Floats) -> Floats:
    """Return the lowest over the median of values (..., M), in [0, 1]; NaN if the median is 0.

    1 if the best is no better than the median, near 0 if it is far better.
    """
    median = np.median(values, axis=-1)
    return np.where(median > 0, values.min(-1) / np.where(median > 0, median, 1.0), np.nan)
