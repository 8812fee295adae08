"""Accuracy and loss of an ensemble for every number of members kept, from running sums.

One order of the members gives one subset of every size: its first m members. A running sum along
the order visits them all, so all sizes cost what the largest does.
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
"""Numbers in one sum where every example has its own subset: all its members lie in the cache."""


class Curves:
    """Hits and losses by repeat and number of members kept, added up over blocks of examples."""

    def __init__(self, repeats: int, members: int) -> None:
        self._hits = np.zeros((repeats, members), np.int64)
        self._losses = np.zeros((repeats, members))
        self._examples = 0

    @property
    def accuracy(self) -> Floats:
        """Fraction right, (repeats, M): column m−1 with m members kept."""
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
    """One subset of each size for all examples, as in the authors' code (Webb et al. 2020).

    Args:
        orders: (repeats, M), each a permutation of the members; the first m are kept.
        loss: False where accuracy is enough, which takes a third of the time.
    """

    def __init__(self, orders: Ints, *, loss: bool = True) -> None:
        super().__init__(*orders.shape)
        self._orders: list[list[int]] = orders.tolist()
        self._loss = loss

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples: logits (M, n, K) in nats and their classes (n,)."""
        for margins, own, _ in pieces(logits, target):
            scorer = Scorer(own, margins.shape[1], margins.dtype)
            sums = np.empty(margins.shape[1:], margins.dtype)
            for repeat, order in enumerate(self._orders):
                sums[:] = 0
                for kept, member in enumerate(order, 1):
                    sums += margins[member]
                    self._score(repeat, kept, sums, scorer, self._loss)
        self._examples += len(target)


class OwnSubsets(Curves):
    """A subset of each size for every example, as in the paper's text (Webb et al. 2020).

    The subsets of an example are drawn one example after the other, so that they do not depend
    on how the examples are cut into blocks.

    Args:
        generators: One for each repeat.
        members: M
        loss: False where accuracy is enough.
    """

    def __init__(
        self, generators: Sequence[np.random.Generator], members: int, *, loss: bool = True
    ) -> None:
        super().__init__(len(generators), members)
        self._generators = generators
        self._loss = loss

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples: logits (M, n, K) in nats and their classes (n,)."""
        for margins, own, _ in pieces(logits, target, OWN_CELLS):
            members, rows, examples = margins.shape
            flat = margins.transpose(1, 0, 2).reshape(rows, members * examples)
            scorer = Scorer(own, rows, margins.dtype)
            sums, drawn = np.empty((2, rows, examples), margins.dtype)
            for repeat, generator in enumerate(self._generators):
                sums[:] = 0
                for kept, at in enumerate(_places(generator, members, examples), 1):
                    # "clip" because numpy buffers `out` when it may raise an error.
                    sums += np.take(flat, at, axis=1, out=drawn, mode="clip")
                    self._score(repeat, kept, sums, scorer, self._loss)
        self._examples += len(target)


def _places(generator: np.random.Generator, members: int, examples: int) -> Ints:
    """Return an order of the members for every example, as positions member · n + example.

    Rows are the places in the order, (M, n).
    """
    orders = generator.permuted(
        np.broadcast_to(np.arange(members), (examples, members)).copy(), axis=1
    )
    return np.asarray(np.ascontiguousarray(orders.T) * examples + np.arange(examples))


def random_orders(generator: np.random.Generator, repeats: int, members: int) -> Ints:
    """Return permutations of the members, (repeats, M)."""
    return generator.permuted(np.broadcast_to(np.arange(members), (repeats, members)), axis=1)


def predicted_loss(ensemble: float, diversity: float, members: int) -> Floats:
    """Return ens + (M−m)/(m(M−1))·diversity for m = 1…M members kept, (M,), in nats.

    The expected loss of a random subset: exact for a squared error, to second order in the
    members' spread for classes, and exact for any loss at m = 1 and m = M.
    """
    spread = np.array(diversity)
    rise = [float(predicted_rise(spread, members, kept)) for kept in range(1, members + 1)]
    return ensemble + np.array(rise)
