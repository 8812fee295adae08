"""Accuracy and loss of every subset of a small ensemble: means over subsets without sampling."""

from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.margins import Scorer, pieces

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

LARGEST = 8
"""Largest ensemble of which all subsets are evaluated; 8 members have 255."""


class AllSubsets:
    """Accumulate hits and losses of all 2^M − 1 subsets, block by block.

    A subset is a bit mask: bit j is set if member j is kept. Mask 0 is the empty ensemble, with
    which all classes are equally likely.

    Args:
        members: Ensemble size, M ≤ `LARGEST`.
        classes: Number of classes, K.
    """

    def __init__(self, members: int, classes: int) -> None:
        self._members, self._classes = members, classes
        self._hits = np.zeros(2**members, np.int64)
        self._losses = np.zeros(2**members)
        self.shapley_weights = shapley_weights(members)
        self._above = np.zeros((2, members))
        self._examples = 0

    @property
    def accuracy(self) -> Floats:
        """Accuracy by mask, (2^M,)."""
        return np.append(1 / self._classes, self._hits[1:] / max(1, self._examples))

    @property
    def loss(self) -> Floats:
        """Mean loss by mask in nats, (2^M,)."""
        return np.append(np.log(self._classes), self._losses[1:] / max(1, self._examples))

    @property
    def error_above_equal(self) -> Floats:
        """Standard error over examples of each Shapley value minus the mean of all, (M,)."""
        total, squares = self._above
        n = max(2, self._examples)
        return np.asarray(np.sqrt(np.maximum(squares - total**2 / n, 0) / (n - 1) / n))

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        for margins, classes, _ in pieces(logits, target):
            scorer = Scorer(classes, margins.shape[1], margins.dtype)
            correct = np.zeros((2**self._members, len(classes)), bool)
            self._visit(margins, scorer, correct, 0, 0, np.zeros_like(margins[0]))
            self._hits += correct.sum(1)
            value = self.shapley_weights @ correct
            above = value - value.mean(0)
            self._above += above.sum(1), (above**2).sum(1)
        self._examples += len(target)

    def _visit(
        self, margins: Floats, scorer: Scorer, correct: Any, mask: int, first: int, sums: Floats
    ) -> None:
        """Score the subset `mask` with each member from `first` on, and all that contain those."""
        for member in range(first, self._members):
            larger, total = mask | 1 << member, sums + margins[member]
            correct[larger] = scorer.correct(total)
            self._losses[larger] += scorer.loss(total, larger.bit_count())
            self._visit(margins, scorer, correct, larger, member + 1, total)


def sizes(members: int) -> Ints:
    """Return the number of members in each mask, (2^M,)."""
    return np.array([mask.bit_count() for mask in range(2**members)])


def mean_by_size(values: Floats) -> Floats:
    """Return the mean over all subsets of 1 … M members of values by mask (2^M,): (M,)."""
    members = len(values).bit_length() - 1
    total = np.bincount(sizes(members), values)
    return np.asarray(total[1:] / [comb(members, size) for size in range(1, members + 1)])


def lowest_by_size(values: Floats) -> Floats:
    """Return the lowest value of all subsets of 1 … M members, (M,), from values by mask (2^M,)."""
    members = len(values).bit_length() - 1
    of_size = sizes(members)
    return np.array([values[of_size == size].min() for size in range(1, members + 1)])


def shapley_weights(members: int) -> Floats:
    """Return the matrix (M, 2^M) that maps the values of all subsets to Shapley values.

    Member j is worth Σ over subsets S without j of |S|! (M−|S|−1)! / M! · (v(S ∪ j) − v(S)).
    """
    weights = np.zeros((members, 2**members))
    for mask, size in enumerate(sizes(members)):
        for member in range(members):
            inside = mask >> member & 1
            others = int(size) - inside
            weight = factorial(others) * factorial(members - others - 1) / factorial(members)
            weights[member, mask] = weight if inside else -weight
    return weights
