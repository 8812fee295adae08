"""Shapley values of members from random orders (Shapley 1953; Castro, Gómez, Tejada 2009)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def shapley_values(values: Floats, orders: Ints, none: float) -> tuple[Floats, Floats]:
    """Return each member's Shapley value and its standard error over orders, (M,) each.

    What a member adds to those before it, averaged over orders. Members that come early add more,
    whoever they are, so what the other orders add at that place is taken off before averaging and
    an equal share of it put back: places are equally likely, so the mean stays, and the error
    shrinks. The values add up to v(all) − v(none). The error is NaN for a single order.

    Args:
        values: (repeats, M), the value v of the first 1 … M members of each order.
        orders: (repeats, M), permutations of the members, drawn independently.
        none: The value of no members.
    """
    repeats, members = values.shape
    added = np.diff(values, axis=1, prepend=none)
    if repeats > 1:
        by_others = (added.sum(0) - added) / (repeats - 1)
        added = added - by_others + by_others.mean(1, keepdims=True)
    by_member = np.empty_like(added)
    np.put_along_axis(by_member, orders, added, axis=1)
    if repeats == 1:
        return by_member[0], np.full(members, np.nan)
    return by_member.mean(0), by_member.std(0, ddof=1) / np.sqrt(repeats)
