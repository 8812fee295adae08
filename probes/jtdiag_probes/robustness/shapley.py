"""Estimate Shapley values of members from random orders (Castro, Gómez and Tejada 2009)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.repeats import mean_and_error

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def shapley_values(values: Floats, orders: Ints, none: float) -> tuple[Floats, Floats]:
    """Return each member's Shapley value and its standard error over orders, (M,) each.

    A Shapley value is the mean over orders of what a member adds to those before it. The position
    in the order serves as a control variate: the mean addition at that position in the other
    orders is subtracted, and its mean over positions is added back. All positions are equally
    likely, so the estimate stays unbiased and its error shrinks. The values sum to
    v(all) − v(none). The error is NaN for a single order.

    Args:
        values: (repeats, M), the value v of the first 1 … M members of each order.
        orders: (repeats, M), permutations of the members, drawn independently.
        none: The value without members.
    """
    repeats = len(values)
    added = np.diff(values, axis=1, prepend=none)
    if repeats > 1:
        of_position = (added.sum(0) - added) / (repeats - 1)
        added = added - of_position + of_position.mean(1, keepdims=True)
    by_member = np.empty_like(added)
    np.put_along_axis(by_member, orders, added, axis=1)
    return mean_and_error(by_member)
