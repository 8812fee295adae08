"""Accuracy and loss of random subsets: exact for small ensembles, estimated for large ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.enumeration import (
    LARGEST,
    AllSubsets,
    lowest_by_size,
    mean_by_size,
)
from jtdiag_probes.robustness.removal import OwnSubsets, SharedSubsets
from jtdiag_probes.robustness.repeats import mean_and_error
from jtdiag_probes.robustness.shapley import shapley_values

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class SubsetMeans:
    """Means over subsets of 1 … M members; the first axis of (2, M) is shared and own subsets."""

    accuracy: Floats
    """(2, M)"""
    accuracy_error: Floats
    """(2, M), standard error over draws; 0 for exact means."""
    loss: Floats
    """(2, M), in nats."""
    loss_error: Floats
    """(2, M)"""
    lowest: Floats
    """(M,), lowest accuracy of the shared subsets."""
    shapley: dict[str, Floats]
    """Variables (M,) of the result."""


class Subsets(Protocol):
    """Accumulates the accuracies and losses of subsets, block by block."""

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""

    def means(self) -> SubsetMeans:
        """Return the means over subsets of all examples so far."""


def is_exact(members: int) -> bool:
    """Return whether all subsets of this number of members are evaluated."""
    return members <= LARGEST


def subsets_of(
    members: int, classes: int, orders: Ints, generators: Sequence[np.random.Generator]
) -> Subsets:
    """Return all subsets of a small ensemble, or random ones of a large ensemble.

    Args:
        members: Ensemble size, M.
        classes: Number of classes, K.
        orders: (repeats, M), permutations that define the shared random subsets.
        generators: One for each repeat of the separate subsets of every example.
    """
    if is_exact(members):
        return Enumerated(members, classes)
    return Drawn(orders, generators, classes)


class Enumerated:
    """All subsets. For either kind of random subset, the mean over all is the expectation."""

    def __init__(self, members: int, classes: int) -> None:
        self._all = AllSubsets(members, classes)
        self._weights = self._all.shapley_weights

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        self._all.add(logits, target)

    def means(self) -> SubsetMeans:
        """Return the means over all subsets."""
        accuracy, loss = (mean_by_size(v) for v in (self._all.accuracy, self._all.loss))
        none = np.zeros_like(accuracy)
        lost = np.where(np.isfinite(loss), 0.0, np.nan)
        return SubsetMeans(
            accuracy=np.stack([accuracy, accuracy]),
            accuracy_error=np.stack([none, none]),
            loss=np.stack([loss, loss]),
            loss_error=np.stack([lost, lost]),
            lowest=lowest_by_size(self._all.accuracy),
            shapley=self._shapley(),
        )

    def _shapley(self) -> dict[str, Floats]:
        accuracy = self._weights @ self._all.accuracy
        with np.errstate(invalid="ignore"):  # losses of a diverged member are NaN
            loss = self._weights @ self._all.loss
        return {
            "shapley_accuracy": accuracy,
            "shapley_accuracy_se": np.zeros_like(accuracy),
            "shapley_accuracy_se_examples": self._all.error_above_equal,
            "shapley_loss": loss,
            "shapley_loss_se": np.where(np.isfinite(loss), 0.0, np.nan),
        }


class Drawn:
    """Random subsets, shared by all examples and separate for every example."""

    def __init__(
        self, orders: Ints, generators: Sequence[np.random.Generator], classes: int
    ) -> None:
        self._orders, self._classes = orders, classes
        self._shared = SharedSubsets(orders)
        self._own = OwnSubsets(generators, orders.shape[1])

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        for curves in (self._shared, self._own):
            curves.add(logits, target)

    def means(self) -> SubsetMeans:
        """Return the means over repeats, with their standard errors."""
        both = (self._shared, self._own)
        accuracy, accuracy_error = mean_and_error(np.stack([kind.accuracy for kind in both], 1))
        loss, loss_error = mean_and_error(np.stack([kind.loss for kind in both], 1))
        return SubsetMeans(
            accuracy=accuracy,
            accuracy_error=accuracy_error,
            loss=loss,
            loss_error=loss_error,
            lowest=self._shared.accuracy.min(0),
            shapley=self._shapley(),
        )

    def _shapley(self) -> dict[str, Floats]:
        accuracy = shapley_values(self._shared.accuracy, self._orders, 1 / self._classes)
        loss = shapley_values(self._shared.loss, self._orders, float(np.log(self._classes)))
        return {
            "shapley_accuracy": accuracy[0],
            "shapley_accuracy_se": accuracy[1],
            "shapley_loss": loss[0],
            "shapley_loss_se": loss[1],
        }
