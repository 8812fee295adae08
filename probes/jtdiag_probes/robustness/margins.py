"""Margins: logits relative to that of the target class, in a layout for fast subset sums.

A subset of members classifies an example correctly if the sum of its margins is negative in every
other class, whatever the size of the subset. The class axis comes before the example axis, so that
sums run along examples and a block of examples fits into the processor cache.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

CELLS = 2**15
"""Elements of one sum of margins: 128 kB in float32, which fits into the cache."""

EXP_LIMIT = 60.0
"""Above this, losses are computed with logsumexp: exp overflows float32 at 88."""


def margins(logits: Floats, target: Ints) -> Floats:
    """Return the logits of the other classes minus the target's, (M, K−1, n).

    Row k is class k, except where class k is the target: there it is the last class.

    Args:
        logits: (M, n, K), in nats. float64 is kept; other types are converted to float32.
        target: (n,), classes.
    """
    classes = logits.shape[2]
    wide = logits.dtype if logits.dtype == np.float64 else np.dtype(np.float32)
    members, count, _ = logits.shape
    by_class = logits.transpose(0, 2, 1).astype(wide, order="C", copy=True)
    flat = by_class.reshape(members, classes * count)
    place = target * count + np.arange(count)
    of_target = flat.take(place, axis=1)
    flat[:, place] = by_class[:, classes - 1]
    relative = by_class[:, : classes - 1]
    relative -= of_target[:, None]
    return np.asarray(relative)


def pieces(
    logits: Floats, target: Ints, cells: int = CELLS
) -> Iterator[tuple[Floats, Ints, slice]]:
    """Yield margins, targets and positions of consecutive examples, piece by piece.

    A piece is as long as one sum of margins has about `cells` elements.
    """
    step = max(1, cells // max(1, logits.shape[2] - 1))
    for start in range(0, len(target), step):
        part = slice(start, min(start + step, len(target)))
        yield margins(logits[:, part], target[part]), target[part], part


class Scorer:
    """Count correct predictions and sum losses from summed margins, in preallocated memory."""

    def __init__(self, target: Ints, rows: int, dtype: Any) -> None:
        self._target = target
        self._rows = np.arange(rows)[:, None]
        self._scaled = np.empty((rows, len(target)), dtype)
        self._top, self._rest = np.empty((2, len(target)), dtype)
        self._right, self._tied = np.empty((2, len(target)), bool)

    def correct(self, sums: Floats) -> NDArray[np.bool]:
        """Return whether the target of each example has the highest logit, (n,).

        Ties go to the first class, as with argmax. NaN counts as wrong. The next call overwrites
        the array.

        Args:
            sums: (K−1, n), margins summed over a subset of members.
        """
        np.maximum.reduce(sums, axis=0, out=self._top, initial=-np.inf)
        np.less(self._top, 0, out=self._right)
        if np.count_nonzero(np.equal(self._top, 0, out=self._tied)):
            tied = np.flatnonzero(self._tied)
            beaten = (sums[:, tied] == 0) & (self._rows < self._target[tied])
            self._right[tied] = ~beaten.any(0)
        return self._right

    def hits(self, sums: Floats) -> int:
        """Return the number of examples that are `correct`."""
        return int(np.count_nonzero(self.correct(sums)))

    def loss(self, sums: Floats, count: int) -> float:
        """Return the loss of the mean of `count` members summed over examples, in nats.

        Must be called after `correct` or `hits` with the same sums.
        """
        scale = self._scaled.dtype.type(1 / count)
        scaled = np.multiply(sums, scale, out=self._scaled)
        highest = np.maximum.reduce(self._top) * scale
        if not highest > EXP_LIMIT:
            np.exp(scaled, out=scaled)
            np.add.reduce(scaled, axis=0, out=self._rest)
            return float(np.log1p(self._rest, out=self._rest).sum(dtype=np.float64))
        of_target = np.zeros((1, scaled.shape[1]))
        return float(logsumexp(np.concatenate([of_target, scaled]), axis=0).sum())
