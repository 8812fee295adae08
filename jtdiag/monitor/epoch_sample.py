"""Sums over an evenly spread sample of an epoch's batches, on the device until the epoch ends.

Batches are drawn systematically: one in every `stride`, from a random one on, so that each has the
same chance and the whole epoch is seen whatever its length. Where the length is not known, every
batch is taken at first; each time the rows are full, one of every two neighbours is forgotten and
the stride doubles. Nothing here waits for the device before what `rows` returns is fetched.
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
"""Numbers of logits that are held as they are: 16 MiB in single precision."""


@dataclass(frozen=True, kw_only=True)
class Summed:
    """What was counted of an epoch, on the host: R rows of one or more batches, C columns."""

    sums: NDArray[np.float64]
    """(R, C), over the examples of a row."""
    examples: NDArray[np.int64]
    """(R,)"""
    counted: int
    """Batches in the rows."""
    seen: int
    """Batches of the epoch."""

    def means(self) -> NDArray[np.float64]:
        """Return the mean over the counted examples, (C,)."""
        return np.asarray(self.sums.sum(0) / self.examples.sum())

    def standard_errors(self) -> NDArray[np.float64]:
        """Return the standard errors of the means about those over all of the epoch, (C,).

        Those of a ratio of sums over a random sample of the rows, with the correction for a
        finite population (Cochran 1977, Sampling Techniques, chapter 6): 0 where every batch is
        counted. An evenly spread sample errs less where a number drifts through the epoch, so
        these are upper estimates there. NaN for a single row that stands for more.
        """
        share = self.counted / self.seen
        if share == 1:
            return np.zeros(self.sums.shape[1])
        rows = len(self.sums)
        if rows < 2:
            return np.full(self.sums.shape[1], np.nan)
        with np.errstate(invalid="ignore", over="ignore"):  # losses of members that diverge
            apart = self.sums - self.means() * self.examples[:, None]
            variance = rows / (rows - 1) * (apart**2).sum(0) * (1 - share)
        return np.asarray(np.sqrt(variance) / self.examples.sum())


class EpochSample:
    """Chooses batches, holds them as they are for a while, and adds up their rows.

    Holding costs a step next to nothing, and what is forgotten before it is summed costs no more.

    Args:
        wanted: Rows of an epoch that suffice; at most twice as many are kept.
        every: Count each batch of so many; None to find a stride that gives the rows wanted.
        sums: From batches to their sums over examples, (C,) each.
        generator: Draws where an epoch's sample begins.
        hold: Numbers that are held at most, by default `HOLD`; a batch of more is summed at once.
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
        self._begin(every or 1)

    def _begin(self, stride: int) -> None:
        self._stride, self._group = stride, 1
        self._phase = self._random.randrange(stride)
        self._examples = [0] * (2 * self._wanted)
        self._held: list[tuple[int, Batch]] = []
        self.counted = self.seen = 0
        if self._rows is not None:
            self._rows.zero_()

    def due(self) -> bool:
        """Count one more batch of the epoch; tell whether it belongs to the sample."""
        at = self.seen
        self.seen += 1
        return at % self._stride == self._phase

    def add(self, batch: Batch) -> None:
        """Add a batch of the sample."""
        row = self.counted // self._group
        self._held.append((row, batch))
        self._examples[row] += batch.examples
        self.counted += 1
        if self.counted == len(self._examples) * self._group:
            if self._every is None:
                self._forget_half()
            else:
                self._fold()
        if len(self._held) * batch.values.numel() > self._hold:
            self._add_up()

    def _add_up(self) -> None:
        """Sum the batches that are held into their rows."""
        if not self._held:
            return
        found = self._sums([batch for _, batch in self._held])
        for (row, _), sums in zip(self._held, found, strict=True):
            if self._rows is None:
                # Apple's GPUs have no float64; a row's sum is short enough for float32 there.
                dtype = torch.float32 if sums.device.type == "mps" else torch.float64
                shape = (len(self._examples), len(sums))
                self._rows = torch.zeros(shape, dtype=dtype, device=sums.device)
            self._rows[row] += sums
        self._held = []

    def _forget_half(self) -> None:
        """Keep the first or the second of every two neighbouring batches, at random."""
        second = self._random.randrange(2)
        self._held = [(row // 2, batch) for row, batch in self._held if row % 2 == second]
        if self._rows is not None:
            self._keep(self._rows[second::2].clone())
        self._examples = self._examples[second::2] + [0] * self._wanted
        self._phase += second * self._stride
        self._stride *= 2
        self.counted //= 2

    def _fold(self) -> None:
        """Put every two neighbouring rows into one."""
        self._held = [(row // 2, batch) for row, batch in self._held]
        if self._rows is not None:
            self._keep(self._rows[::2] + self._rows[1::2])
        pairs = zip(self._examples[::2], self._examples[1::2], strict=True)
        self._examples = [a + b for a, b in pairs] + [0] * self._wanted
        self._group *= 2

    def _keep(self, rows: Tensor) -> None:
        assert self._rows is not None
        self._rows[: self._wanted] = rows
        self._rows[self._wanted :] = 0

    def rows(self) -> Tensor:
        """Return the sums so far, (R, C), on the device; nothing is counted: (0, 0)."""
        self._add_up()
        if self._rows is None:
            return torch.zeros(0, 0)
        return self._rows[: -(-self.counted // self._group)]

    def close(self, rows: NDArray[np.float64]) -> Summed:
        """Return what was counted, given `rows` on the host, and begin the next epoch.

        Its stride is such that an epoch of the same length gives the rows wanted.
        """
        found = Summed(
            sums=rows,
            examples=np.asarray(self._examples[: len(rows)], dtype=np.int64),
            counted=self.counted,
            seen=self.seen,
        )
        self._begin(self._every or max(1, self.seen // self._wanted))
        return found
