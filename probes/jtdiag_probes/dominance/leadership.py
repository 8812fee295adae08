"""Which member leads and by how much: arithmetic on members' errors, along the last axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.floating[Any]]


def leader(error: Floats, loss: Floats) -> NDArray[np.int64]:
    """Return the member with the lowest error, ties broken by the lowest loss.

    Args:
        error: (..., M); -1 is returned if any member's error is NaN.
        loss: (..., M)
    """
    best = np.lexsort((loss, error), axis=-1)[..., 0]
    return np.where(np.isnan(error).any(-1), -1, best)


def margin(error: Floats) -> Floats:
    """Return the second-lowest error minus the lowest, 0 or more; NaN for a single member."""
    if error.shape[-1] == 1:
        return np.full(error.shape[:-1], np.nan)
    lowest = np.sort(error, axis=-1)
    return np.asarray(lowest[..., 1] - lowest[..., 0])


def rank_correlation(errors: Floats, reference: Floats) -> Floats:
    """Return Spearman's correlation of errors (..., M) with a reference (M,), in [−1, 1].

    Ties get their mean rank. NaN if all values of one side are equal, as with one member.
    """
    a, b = rankdata(errors, axis=-1), rankdata(reference)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean()
    scale = np.sqrt((a**2).sum(-1) * (b**2).sum())
    return np.where(scale > 0, (a * b).sum(-1) / np.where(scale > 0, scale, 1.0), np.nan)


def unchanged(leaders: NDArray[np.int64]) -> int:
    """Return for how many epochs, counted back from the end, the leader (epochs,) is the same."""
    different = np.flatnonzero(leaders != leaders[-1])
    return len(leaders) - (int(different[-1]) + 1 if different.size else 0)
