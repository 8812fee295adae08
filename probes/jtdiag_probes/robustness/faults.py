"""Accuracy of an ensemble in which some members output wrong logits.

The faults are not detected: the ensemble still averages all M members.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.margins import Scorer, margins, pieces

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

SCALE = 10.0
"""Factor by which the logits of a scaled member are too large."""
NOISE = 1.0
"""Standard deviation of the noise, relative to that of the member's logits over classes."""
FACTORS = {"zero": 0.0, "scaled": SCALE, "flipped": -1.0}
"""Faults that multiply a member's logits by a factor."""
DRAWN = ("stuck", "random", "noisy")
"""Faults that replace a member's logits."""
FAULTS = (*FACTORS, *DRAWN)
COUNTS = 16
"""Approximate number of different counts of faulty members."""


def counts_of_faulty(members: int) -> Ints:
    """Return the counts of faulty members to evaluate: 0, 1, …, M, at most `COUNTS` + 2 of them."""
    if members <= COUNTS:
        return np.arange(members + 1)
    return np.unique(np.append(np.linspace(0, members, COUNTS + 1).round().astype(int), 1))


def spread(logits: Floats) -> Floats:
    """Return the standard deviation of logits (M, n, K) over classes, (M, n, 1)."""
    return np.asarray(logits.std(-1, keepdims=True))


def with_noise(logits: Floats, noise: Floats, frozen: Floats) -> Iterator[Floats]:
    """Yield the logits (M, n, K) of stuck, random and noisy members, in the order of `DRAWN`.

    Args:
        logits: (M, n, K), correct logits in nats.
        noise: (M, n, K), standard normal.
        frozen: (M, K), logits of one example that a stuck member outputs for all examples.
    """
    yield np.broadcast_to(frozen[:, None], logits.shape)
    scaled = noise * spread(logits)
    yield scaled
    yield logits + NOISE * scaled


class FaultCurves:
    """Accumulate accuracy by fault, repeat and number of faulty members, block by block.

    Args:
        orders: (repeats, M), permutations; the last f members of an order are faulty.
        counts: (F,), numbers of faulty members, increasing.
        frozen: (M, K), logits of a stuck member.
        generator: For the noise, which is drawn example by example and shared by all repeats.
    """

    def __init__(
        self, orders: Ints, counts: Ints, frozen: Floats, generator: np.random.Generator
    ) -> None:
        self._orders: list[list[int]] = orders.tolist()
        self._counts: list[int] = counts.tolist()
        self._frozen = frozen
        self._generator = generator
        self._hits = np.zeros((len(FAULTS), len(orders), len(counts)), np.int64)
        self._examples = 0

    @property
    def accuracy(self) -> Floats:
        """Accuracy, (fault, repeats, F)."""
        return self._hits / max(1, self._examples)

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples with logits (M, n, K) in nats and classes (n,)."""
        for correct, classes, part in pieces(logits, target):
            clean = logits[:, part].astype(correct.dtype, copy=False)
            drawn = with_noise(clean, self._noise(clean), self._frozen)
            wrong = [margins(faulty, classes) for faulty in drawn]
            scorer = Scorer(classes, correct.shape[1], correct.dtype)
            for repeat, order in enumerate(self._orders):
                self._add_repeat(repeat, order, correct, wrong, scorer)
        self._examples += len(target)

    def _noise(self, logits: Floats) -> Floats:
        members, examples, classes = logits.shape
        noise = self._generator.standard_normal((examples, members, classes), np.float32)
        return noise.transpose(1, 0, 2)

    def _add_repeat(
        self, repeat: int, order: list[int], correct: Floats, wrong: list[Floats], scorer: Scorer
    ) -> None:
        members = len(order)
        kept_counts = [members - count for count in reversed(self._counts)]
        kept = [sums.copy() for sums in running_sums(correct, order, kept_counts)][::-1]
        backwards = order[::-1]
        for column, faulty in enumerate(running_sums(correct, backwards, self._counts)):
            for fault, factor in enumerate(FACTORS.values()):
                # 0 · inf is NaN, so a factor of 0 must not be multiplied.
                sums = kept[column] + factor * faulty if factor else kept[column]
                self._hits[fault, repeat, column] += scorer.hits(sums)
        for fault, replaced in enumerate(wrong, len(FACTORS)):
            for column, faulty in enumerate(running_sums(replaced, backwards, self._counts)):
                self._hits[fault, repeat, column] += scorer.hits(kept[column] + faulty)


def running_sums(margins: Floats, order: list[int], counts: list[int]) -> Iterator[Floats]:
    """Yield the sum of margins over the first members of an order, for increasing counts.

    The same array is yielded each time; copy it to keep it.
    """
    sums = np.zeros(margins.shape[1:], margins.dtype)
    done = 0
    for count in counts:
        for member in order[done:count]:
            sums += margins[member]
        done = count
        yield sums
