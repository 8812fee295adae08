"""Orders in which to drop or evaluate members: by a score, or by greedy search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

SEARCH_STEPS = 3_000_000_000
"""Maximum additions of a greedy search: 10,000 examples for 256 members and 10 classes."""
SEARCH_BYTES = 128 * 2**20
"""Maximum bytes of margins in a greedy search."""


def examples_to_search(members: int, rows: int, available: int, itemsize: int) -> int:
    """Return the number of examples that a greedy search can afford, at least 1."""
    by_time = SEARCH_STEPS // max(1, members * (members + 1) // 2 * rows)
    by_memory = SEARCH_BYTES // max(1, members * rows * itemsize)
    return max(1, min(available, by_time, by_memory))


def spread_out(available: int, wanted: int) -> Ints:
    """Return the positions of `wanted` evenly spaced examples, in ascending order."""
    return np.arange(wanted) * available // wanted


def least_first(score: Floats, tie: Floats) -> Ints:
    """Return the members by increasing score (M,), ties by `tie`; NaN comes last."""
    return np.lexsort((tie, score))


def greedy_removal(margins: Floats) -> Ints:
    """Return the order in which a greedy adversary drops the members, (M,).

    Each step drops the member whose removal leaves the fewest correct predictions; ties go to the
    member with the best individual margins. The order is a heuristic, not a proven worst case.

    Args:
        margins: (M, K−1, n), of the examples that the adversary uses.
    """
    return _greedy(-margins, margins.sum(0), best=min, tie=_own_margin(margins))


def greedy_selection(margins: Floats) -> Ints:
    """Return the order in which each member adds most to those before it, (M,).

    Args:
        margins: (M, K−1, n), of the examples on which members are chosen.
    """
    start = np.zeros(margins.shape[1:], margins.dtype)
    return _greedy(margins, start, best=max, tie=-_own_margin(margins))


def _own_margin(margins: Floats) -> Floats:
    """Return the mean margin of each member's strongest wrong class, (M,)."""
    return np.nan_to_num(margins.max(1, initial=-np.inf).mean(1, dtype=np.float64), nan=np.inf)


def _greedy(steps: Floats, sums: Floats, best: Any, tie: Floats) -> Ints:
    remaining, order = list(range(len(steps))), []
    trial_sums, top = np.empty_like(sums), np.empty(sums.shape[1], sums.dtype)
    while remaining:
        keys = []
        for member in remaining:
            np.add(sums, steps[member], out=trial_sums)
            np.maximum.reduce(trial_sums, axis=0, out=top, initial=-np.inf)
            keys.append((np.count_nonzero(top < 0), tie[member], member))
        chosen = best(keys)[2]
        sums = sums + steps[chosen]
        remaining.remove(chosen)
        order.append(chosen)
    return np.asarray(order)
