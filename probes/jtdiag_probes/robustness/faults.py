"""Members whose logits are wrong: what is left of the ensemble that goes on averaging them.

Nobody notices the fault: all M members are averaged, some of them with logits that are not what
they computed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.margins import Scorer, margins as margins_of, pieces

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

SCALE = 10.0
"""A scaled member's logits are this many times too large."""
NOISE = 1.0
"""Standard deviation of the noise, in the member's own spread of logits over classes."""
FACTORS = {"zero": 0.0, "scaled": SCALE, "flipped": -1.0}
"""Faults that multiply a member's logits."""
DRAWN = ("stuck", "random", "noisy")
"""Faults that put other logits in their place."""
FAULTS = (*FACTORS, *DRAWN)
COUNTS = 16
"""About so many numbers of faulty members are tried."""


def counts_of_faulty(members: int) -> Ints:
    """Return the numbers of faulty members that are tried: 0, 1, … , M, at most `COUNTS` + 2."""
    if members <= COUNTS:
        return np.arange(members + 1)
    return np.unique(np.append(np.linspace(0, members, COUNTS + 1).round().astype(int), 1))


def spread(logits: Floats) -> Floats:
    """Return the standard deviation of logits (M, n, K) over classes, (M, n, 1)."""
    return np.asarray(logits.std(-1, keepdims=True))


def with_noise(logits: Floats, noise: Floats, frozen: Floats) -> Iterator[Floats]:
    """Yield the logits (M, n, K) of members that are stuck, random and noisy, as in `DRAWN`.

    Args:
        logits: (M, n, K), in nats, as they should be.
        noise: (M, n, K), standard normal.
        frozen: (M, K), what each member said of one example and now says of all.
    """
    yield np.broadcast_to(frozen[:, None], logits.shape)
    scaled = noise * spread(logits)
    yield scaled
    yield logits + NOISE * scaled


class FaultCurves:
    """Hits by fault, repeat and number of faulty members, added up over blocks of examples.

    Args:
        orders: (repeats, M), permutations; the last f members of an order are the faulty ones.
        counts: (F,), numbers of faulty members, rising.
        frozen: (M, K), what a stuck member says.
        generator: For the noise, which is drawn example by example and is the same in all
            repeats.
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
        """Fraction right, (fault, repeats, F)."""
        return self._hits / max(1, self._examples)

    def add(self, logits: Floats, target: Ints) -> None:
        """Add examples: logits (M, n, K) in nats and their classes (n,)."""
        for margins, own, part in pieces(logits, target):
            right = logits[:, part].astype(margins.dtype, copy=False)
            noise = self._noise(right)
            wrong = [margins_of(one, own) for one in with_noise(right, noise, self._frozen)]
            scorer = Scorer(own, margins.shape[1], margins.dtype)
            for repeat, order in enumerate(self._orders):
                self._add_repeat(repeat, order, margins, wrong, scorer)
        self._examples += len(target)

    def _noise(self, logits: Floats) -> Floats:
        members, examples, classes = logits.shape
        drawn = self._generator.standard_normal((examples, members, classes), np.float32)
        return drawn.transpose(1, 0, 2)

    def _add_repeat(
        self, repeat: int, order: list[int], margins: Floats, wrong: list[Floats], scorer: Scorer
    ) -> None:
        members = len(order)
        kept_counts = [members - count for count in reversed(self._counts)]
        kept = [sums.copy() for sums in running_sums(margins, order, kept_counts)][::-1]
        backwards = order[::-1]
        for at, faulty in enumerate(running_sums(margins, backwards, self._counts)):
            for fault, factor in enumerate(FACTORS.values()):
                # Without the product for 0: it would make a NaN of what has no finite logits.
                sums = kept[at] + factor * faulty if factor else kept[at]
                self._hits[fault, repeat, at] += scorer.hits(sums)
        for fault, others in enumerate(wrong, len(FACTORS)):
            for at, faulty in enumerate(running_sums(others, backwards, self._counts)):
                self._hits[fault, repeat, at] += scorer.hits(kept[at] + faulty)


def running_sums(margins: Floats, order: list[int], counts: list[int]) -> Iterator[Floats]:
    """Yield the sum over the first members of an order, for every one of some rising counts.

    The array is the same one each time; copy it to keep it.
    """
    sums = np.zeros(margins.shape[1:], margins.dtype)
    done = 0
    for count in counts:
        for member in order[done:count]:
            sums += margins[member]
        done = count
        yield sums
