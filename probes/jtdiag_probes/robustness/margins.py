"""Margins: logits less that of the target's class, laid out so that subsets are summed fast.

A subset of members is right about an example where the sum of its members' margins is below zero
in every other class: the size of the subset does not matter. Classes lie before examples, so that
every step of a sum runs along the examples, and blocks of examples stay in the processor's cache.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

CELLS = 2**15
"""Numbers in one sum of margins: 128 kB in float32, so that it stays in the cache."""

EXP_LIMIT = 60.0
"""Margins above this go the slow way: far more of them, and exp of float32 overflows."""


def margins(logits: Floats, target: Ints) -> Floats:
    """Return logits of the other classes minus the target's, (M, K−1, n), classes before examples.

    Row k is class k, except where k is the target: there it is the last class.

    Args:
        logits: (M, n, K), in nats. float64 stays float64, all else becomes float32.
        target: (n,), classes.
    """
    classes = logits.shape[2]
    wide = logits.dtype if logits.dtype == np.float64 else np.dtype(np.float32)
    by_class = logits.transpose(0, 2, 1).astype(wide, order="C", copy=True)
    at = np.arange(len(target))
    own = by_class[:, target, at]
    by_class[:, target, at] = by_class[:, classes - 1]
    return np.asarray(by_class[:, : classes - 1] - own[:, None])


def pieces(
    logits: Floats, target: Ints, cells: int = CELLS
) -> Iterator[tuple[Floats, Ints, slice]]:
    """Yield margins and targets of some consecutive examples at a time, and which they are.

    So many examples that one sum of margins has about `cells` numbers.
    """
    step = max(1, cells // max(1, logits.shape[2] - 1))
    for start in range(0, len(target), step):
        part = slice(start, min(start + step, len(target)))
        yield margins(logits[:, part], target[part]), target[part], part


class Scorer:
    """Counts hits and adds up losses of summed margins, in memory that is allocated once."""

    def __init__(self, target: Ints, rows: int, dtype: Any) -> None:
        self._target = target
        self._rows = np.arange(rows)[:, None]
        self._scaled = np.empty((rows, len(target)), dtype)
        self._top, self._rest = np.empty((2, len(target)), dtype)
        self._flag = np.empty(len(target), bool)

    def hits(self, sums: Floats) -> int:
        """Return for how many examples the target has the highest logit.

        Among equals the first class wins, as with argmax. What is not a number is no hit.

        Args:
            sums: (K−1, n), margins added over a subset of members.
        """
        np.maximum.reduce(sums, axis=0, out=self._top, initial=-np.inf)
        right = np.count_nonzero(np.less(self._top, 0, out=self._flag))
        tied = np.flatnonzero(np.equal(self._top, 0, out=self._flag))
        if tied.size:
            beaten = (sums[:, tied] == 0) & (self._rows < self._target[tied])
            right += tied.size - int(beaten.any(0).sum())
        return int(right)

    def loss(self, sums: Floats, count: int) -> float:
        """Return the losses of the mean of `count` members added over examples, in nats.

        Call it after `hits` of the same sums.
        """
        scale = self._scaled.dtype.type(1 / count)
        scaled = np.multiply(sums, scale, out=self._scaled)
        highest = self._top.max() * scale
        if not highest > EXP_LIMIT:
            np.exp(scaled, out=scaled)
            np.add.reduce(scaled, axis=0, out=self._rest)
            return float(np.log1p(self._rest, out=self._rest).sum(dtype=np.float64))
        own = np.zeros((1, scaled.shape[1]))
        return float(logsumexp(np.concatenate([own, scaled]), axis=0).sum())
