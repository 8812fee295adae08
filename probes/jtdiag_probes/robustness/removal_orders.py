"""In which order to drop members, or to ask them: by a score, or by greedy search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

SEARCH_STEPS = 3_000_000_000
"""Additions that a greedy search may take: all of 10,000 examples for 256 members, ten classes."""
SEARCH_BYTES = 128 * 2**20
"""Bytes of margins that a greedy search may hold."""


def examples_to_search(members: int, rows: int, available: int, itemsize: int) -> int:
    """Return on how many examples a greedy search fits into its time and memory, at least 1."""
    by_time = SEARCH_STEPS // max(1, members * (members + 1) // 2 * rows)
    by_memory = SEARCH_BYTES // max(1, members * rows * itemsize)
    return max(1, min(available, by_time, by_memory))


def spread_out(available: int, wanted: int) -> Ints:
    """Return the positions of `wanted` examples of a split, evenly spaced, ascending."""
    return np.arange(wanted) * available // wanted


def least_first(score: Floats, tie: Floats) -> Ints:
    """Return the members by rising score (M,), equals by `tie`; those without a number last."""
    return np.lexsort((tie, score))


def greedy_removal(margins: Floats) -> Ints:
    """Return the members in the order in which an adversary would drop them, (M,).

    Each time the member goes without whom fewest examples are right; among equals the one with
    the best own margins. No nested order is proved to be the worst; this is a search.

    Args:
        margins: (M, K−1, n), of the examples on which the adversary looks.
    """
    return _greedy(-margins, margins.sum(0), best=min, tie=_own_margin(margins))


def greedy_selection(margins: Floats) -> Ints:
    """Return the members in the order in which to ask them: each helps most those before, (M,).

    Args:
        margins: (M, K−1, n), of the examples on which members are chosen.
    """
    start = np.zeros(margins.shape[1:], margins.dtype)
    return _greedy(margins, start, best=max, tie=-_own_margin(margins))


def _own_margin(margins: Floats) -> Floats:
    """Return how far each member's strongest wrong class is above the target, on average, (M,)."""
    return np.nan_to_num(margins.max(1, initial=-np.inf).mean(1, dtype=np.float64), nan=np.inf)


def _greedy(steps: Floats, sums: Floats, best: Any, tie: Floats) -> Ints:
    left, order = list(range(len(steps))), []
    moved, top = np.empty_like(sums), np.empty(sums.shape[1], sums.dtype)
    while left:
        keys = []
        for member in left:
            np.add(sums, steps[member], out=moved)
            np.maximum.reduce(moved, axis=0, out=top, initial=-np.inf)
            keys.append((np.count_nonzero(top < 0), tie[member], member))
        chosen = best(keys)[2]
        sums = sums + steps[chosen]
        left.remove(chosen)
        order.append(chosen)
    return np.asarray(order)
