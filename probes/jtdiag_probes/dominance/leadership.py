"""Who leads an ensemble and by how much: arithmetic on members' errors, along the last axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.floating[Any]]


def leader(error: Floats, loss: Floats) -> NDArray[np.int64]:
    """Return the member with the lowest error, among equals the one with the lowest loss.

    Args:
        error: (..., M); where any member's is NaN, nobody leads and the answer is -1.
        loss: (..., M)
    """
    first = np.lexsort((loss, error), axis=-1)[..., 0]
    return np.where(np.isnan(error).any(-1), -1, first)


def margin(error: Floats) -> Floats:
    """Return the second-lowest error minus the lowest, 0 or more; NaN for a single member."""
    if error.shape[-1] == 1:
        return np.full(error.shape[:-1], np.nan)
    two = np.sort(error, axis=-1)[..., :2]
    return np.asarray(two[..., 1] - two[..., 0])


def rank_correlation(errors: Floats, reference: Floats) -> Floats:
    """Return Spearman's correlation of errors (..., M) with a reference (M,), in [−1, 1].

    Ties share their mean rank. NaN where one side has no order at all, as with one member.
    """
    a, b = rankdata(errors, axis=-1), rankdata(reference)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean()
    scale = np.sqrt((a**2).sum(-1) * (b**2).sum())
    return np.where(scale > 0, (a * b).sum(-1) / np.where(scale > 0, scale, 1.0), np.nan)


def unchanged(leaders: NDArray[np.int64]) -> int:
    """Return for how many epochs, counted from the end, the leader (epochs,) is the last one's."""
    others = np.flatnonzero(leaders != leaders[-1])
    return len(leaders) - (int(others[-1]) + 1 if others.size else 0)
