"""A systematic sample of an epoch's batches, summed on the device until the epoch ends.

Every `stride`-th batch is sampled, starting at a random one, so that all batches have the same
probability and the sample covers the epoch whatever its length. If the length is unknown, all
batches are sampled at first; whenever the rows are full, one of every two adjacent batches is
dropped and the stride doubles. Nothing here synchronizes with the device before the result of
`rows` is copied to the host.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.monitor.batch_sums import Batch

HOLD = 4 * 2**20
"""Number of logits to keep before they are summed: 16 MiB in single precision."""


@dataclass(frozen=True, kw_only=True)
class Summed:
    """Sums of an epoch on the host: R rows of one or more batches, C columns."""

    sums: NDArray[np.float64]
    """(R, C), over the examples of a row."""
    examples: NDArray[np.int64]
    """(R,)"""
    counted: int
    """Batches in the sample."""
    seen: int
    """Batches of the epoch."""

    def means(self) -> NDArray[np.float64]:
        """Return the mean over the sampled examples, (C,)."""
        return np.asarray(self.sums.sum(0) / self.examples.sum())

    def standard_errors(self) -> NDArray[np.float64]:
        """Return the standard errors of the means with respect to the whole epoch, (C,).

        Ratio estimator for a random sample of rows, with the correction for a finite population
        (Cochran 1977, Sampling Techniques, chapter 6): 0 if all batches are sampled. A systematic
        sample has a smaller error if a metric drifts during the epoch, so these are upper
        estimates then. NaN for a single row that represents several batches.
        """
        share = self.counted / self.seen
        if share == 1:
            return np.zeros(self.sums.shape[1])
        rows = len(self.sums)
        if rows < 2:
            return np.full(self.sums.shape[1], np.nan)
        with np.errstate(invalid="ignore", over="ignore"):  # losses of diverged members
            residuals = self.sums - self.means() * self.examples[:, None]
            variance = rows / (rows - 1) * (residuals**2).sum(0) * (1 - share)
        return np.asarray(np.sqrt(variance) / self.examples.sum())


class EpochSample:
    """Selects batches, keeps them for a while, and sums them into rows.

    Keeping a batch costs almost nothing, and a batch that is dropped is never summed.

    Args:
        wanted: Sufficient number of rows per epoch; at most twice as many are kept.
        every: Sample every n-th batch; None to choose a stride that gives `wanted` rows.
        sums: Function from batches to their sums over examples, (C,) each.
        generator: Draws the first batch of each epoch's sample.
        hold: Maximum number of logits to keep, by default `HOLD`; a larger batch is summed at
            once.
    """

    def __init__(
        self,
        wanted: int,
        every: int | None,
        sums: Callable[[list[Batch]], list[Tensor]],
        generator: random.Random,
        hold: int | None = None,
    ) -> None:
        self._wanted, self._every, self._random = wanted, every, generator
        self._sums, self._hold = sums, HOLD if hold is None else hold
        self._rows: Tensor | None = None
        self._start(every or 1)

    def _start(self, stride: int) -> None:
        self._stride, self._group = stride, 1
        self._phase = self._random.randrange(stride)
        self._examples = [0] * (2 * self._wanted)
        self._pending: list[tuple[int, Batch]] = []
        self.counted = self.seen = 0
        if self._rows is not None:
            self._rows.zero_()

    def due(self) -> bool:
        """Register the next batch of the epoch; return whether it belongs to the sample."""
        index = self.seen
        self.seen += 1
        return index % self._stride == self._phase

    def replace_last(self) -> None:
        """Leave out the last batch that was `due`; the next batch takes its place."""
        self.seen -= 1

    def add(self, batch: Batch) -> None:
        """Add a batch of the sample."""
        row = self.counted // self._group
        self._pending.append((row, batch))
        self._examples[row] += batch.examples
        self.counted += 1
        if self.counted == len(self._examples) * self._group:
            if self._every is None:
                self._drop_half()
            else:
                self._fold()
        if len(self._pending) * batch.values.numel() > self._hold:
            self._sum_pending()

    def _sum_pending(self) -> None:
        """Sum the pending batches into their rows."""
        if not self._pending:
            return
        batch_sums = self._sums([batch for _, batch in self._pending])
        for (row, _), sums in zip(self._pending, batch_sums, strict=True):
            if self._rows is None:
                # Apple GPUs have no float64; a row has few enough terms for float32.
                dtype = torch.float32 if sums.device.type == "mps" else torch.float64
                shape = (len(self._examples), len(sums))
                self._rows = torch.zeros(shape, dtype=dtype, device=sums.device)
            self._rows[row] += sums
        self._pending = []

    def _drop_half(self) -> None:
        """Keep the first or the second of every two adjacent batches, at random."""
        second = self._random.randrange(2)
        self._pending = [(row // 2, batch) for row, batch in self._pending if row % 2 == second]
        if self._rows is not None:
            self._replace_rows(self._rows[second::2].clone())
        self._examples = self._examples[second::2] + [0] * self._wanted
        self._phase += second * self._stride
        self._stride *= 2
        self.counted //= 2

    def _fold(self) -> None:
        """Merge every two adjacent rows into one."""
        self._pending = [(row // 2, batch) for row, batch in self._pending]
        if self._rows is not None:
            self._replace_rows(self._rows[::2] + self._rows[1::2])
        pairs = zip(self._examples[::2], self._examples[1::2], strict=True)
        self._examples = [a + b for a, b in pairs] + [0] * self._wanted
        self._group *= 2

    def _replace_rows(self, rows: Tensor) -> None:
        assert self._rows is not None
        self._rows[: self._wanted] = rows
        self._rows[self._wanted :] = 0

    def rows(self) -> Tensor:
        """Return the sums so far, (R, C), on the device; (0, 0) for an empty sample."""
        self._sum_pending()
        if self._rows is None:
            return torch.zeros(0, 0)
        return self._rows[: -(-self.counted // self._group)]

    def close(self, rows: NDArray[np.float64]) -> Summed:
        """Return the sums of the epoch, given `rows` on the host, and start the next epoch.

        Its stride gives the wanted number of rows for an epoch of the same length.
        """
        summed = Summed(
            sums=rows,
            examples=np.asarray(self._examples[: len(rows)], dtype=np.int64),
            counted=self.counted,
            seen=self.seen,
        )
        self._start(self._every or max(1, self.seen // self._wanted))
        return summed
