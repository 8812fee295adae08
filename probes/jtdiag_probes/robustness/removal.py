"""Accuracy and loss of an ensemble for every number of members kept, from running sums.

An order of the members defines one subset of every size: its first m members. A running sum along
the order evaluates all of them at the cost of the largest.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.diversity.dropping import predicted_rise
from jtdiag_probes.robustness.margins import Scorer, pieces

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

OWN_CELLS = 2**13
"""Elements of one sum if every example has its own subset: all members must fit in the cache."""


class Curves:
    """Accumulate hits and losses by repeat and number of members kept, block by block."""

    def __init__(self, repeats: int, members: int) -> None:
        self._hits = np.zeros((repeats, members), np.int64)
        self._losses = np.zeros((repeats, members))
        self._examples = 0

    @property
    def accuracy(self) -> Floats:
        """Accuracy, (repeats, M); column m−1 has m members kept."""
        return self._hits / max(1, self._examples)

    @property
    def loss(self) -> Floats:
        """Mean loss in nats, (repeats, M)."""
        return self._losses / max(1, self._examples)

    def _score(self, repeat: int, kept: int, sums: Floats, scorer: Scorer, loss: bool) -> None:
        self._hits[repeat, kept - 1] += scorer.hits(sums)
        if loss:
            self._losses[repeat, kept - 1] += scorer.loss(sums, kept)


class SharedSubsets(Curves):
    """Evaluate one subset of each size on all examples, as the code of Webb et al. (2020) does.

    Args:
        orders: (repeats, M), permutations of the members; the first m are kept.
        loss: Whether to compute losses; accuracy alone takes a third of the time.
    """

    def __init__(self, orders: Ints, *, loss: bool = True) -> None:
        super().__init__(*orders.shape)
        self._orders: list[list[int]] = orders.tolist()
        self._loss = loss

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        for margins, classes, _ in pieces(logits, target):
            scorer = Scorer(classes, margins.shape[1], margins.dtype)
            sums = np.empty(margins.shape[1:], margins.dtype)
            for repeat, order in enumerate(self._orders):
                sums[:] = 0
                for kept, member in enumerate(order, 1):
                    sums += margins[member]
                    self._score(repeat, kept, sums, scorer, self._loss)
        self._examples += len(target)


class OwnSubsets(Curves):
    """Evaluate a separate subset of each size for every example, as Webb et al. (2020) describe.

    Subsets are drawn example by example, so that they do not depend on the block size.

    Args:
        generators: One for each repeat.
        members: Ensemble size, M.
        loss: Whether to compute losses.
    """

    def __init__(
        self, generators: Sequence[np.random.Generator], members: int, *, loss: bool = True
    ) -> None:
        super().__init__(len(generators), members)
        self._generators = generators
        self._loss = loss

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        for margins, classes, _ in pieces(logits, target, OWN_CELLS):
            members, classes_less_one, examples = margins.shape
            # The margins of an example side by side, so that they are taken as one piece.
            flat = margins.transpose(0, 2, 1).reshape(members * examples, classes_less_one)
            scorer = Scorer(classes, classes_less_one, margins.dtype)
            sums = np.empty((classes_less_one, examples), margins.dtype)
            drawn = np.empty((examples, classes_less_one), margins.dtype)
            for repeat, generator in enumerate(self._generators):
                sums[:] = 0
                for kept, rows in enumerate(_rows(generator, members, examples), 1):
                    # With the default mode, numpy would buffer `out`.
                    sums += flat.take(rows, axis=0, out=drawn, mode="clip").T
                    self._score(repeat, kept, sums, scorer, self._loss)
        self._examples += len(target)


def _rows(generator: np.random.Generator, members: int, examples: int) -> Ints:
    """Return a random order of the members for every example, (M, n).

    Entries are row indices member · n + example.
    """
    orders = generator.permuted(
        np.broadcast_to(np.arange(members), (examples, members)).copy(), axis=1
    )
    return np.asarray(np.ascontiguousarray(orders.T) * examples + np.arange(examples))


def random_orders(generator: np.random.Generator, repeats: int, members: int) -> Ints:
    """Return random permutations of the members, (repeats, M)."""
    return generator.permuted(np.broadcast_to(np.arange(members), (repeats, members)), axis=1)


def predicted_loss(ensemble: float, diversity: float, members: int) -> Floats:
    """Return ens + (M−m)/(m(M−1))·diversity for m = 1…M members kept, (M,), in nats.

    This is the expected loss of a random subset: exact for squared error, to second order in the
    spread of the members for classification, and exact for any loss at m = 1 and m = M.
    """
    spread = np.array(diversity)
    rise = [float(predicted_rise(spread, members, kept)) for kept in range(1, members + 1)]
    return ensemble + np.array(rise)
