"""Accuracy with faulty members: exact over subsets of small ensembles, estimated for large ones."""

from collections.abc import Callable
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.faults import FaultCurves, counts_of_faulty
from jtdiag_probes.robustness.repeats import mean_and_error
from jtdiag_probes.robustness.subset_means import is_exact

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


class Faults(Protocol):
    """Accumulates the accuracies with faulty members, block by block."""

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""

    @property
    def mean(self) -> Floats:
        """Mean accuracy by fault and number of faulty members, (fault, F)."""

    @property
    def error(self) -> Floats:
        """Standard error of `mean` over repeats; 0 for exact means."""


def faults_of(
    members: int, orders: Ints, frozen: Floats, noise: Callable[[], np.random.Generator]
) -> Faults:
    """Return all choices of faulty members of a small ensemble, or random ones of a large one.

    Args:
        members: Ensemble size, M.
        orders: (repeats, M), permutations; the last members of an order are faulty.
        frozen: (M, K), logits of a stuck member.
        noise: Returns a generator for the noise, the same at each call.
    """
    counts = counts_of_faulty(members)
    if not is_exact(members):
        return DrawnFaults(FaultCurves(orders, counts, frozen, noise()))
    return EveryFault(
        [
            FaultCurves(with_last(members, count), np.array([count]), frozen, noise())
            for count in counts.tolist()
        ]
    )


def with_last(members: int, count: int) -> Ints:
    """Return one order (subsets, M) for each subset of `count` members, in which it is last."""
    everyone = set(range(members))
    return np.array([[*(everyone - set(s)), *s] for s in combinations(range(members), count)])


class EveryFault:
    """Every choice of faulty members."""

    def __init__(self, by_count: list[FaultCurves]) -> None:
        self._by_count = by_count

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        for curves in self._by_count:
            curves.add(logits, target)

    @property
    def mean(self) -> Floats:
        """Mean accuracy by fault and number of faulty members, (fault, F)."""
        return np.stack([curves.accuracy[:, :, 0].mean(1) for curves in self._by_count], 1)

    @property
    def error(self) -> Floats:
        """Zeros: no choice is left out."""
        return np.zeros_like(self.mean)


class DrawnFaults:
    """The faulty members of random orders."""

    def __init__(self, curves: FaultCurves) -> None:
        self._curves = curves

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        self._curves.add(logits, target)

    @property
    def mean(self) -> Floats:
        """Mean accuracy over repeats, (fault, F)."""
        return mean_and_error(self._curves.accuracy.swapaxes(0, 1))[0]

    @property
    def error(self) -> Floats:
        """Standard error over repeats, (fault, F)."""
        return mean_and_error(self._curves.accuracy.swapaxes(0, 1))[1]
