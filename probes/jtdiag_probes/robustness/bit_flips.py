"""Weights in which bits have flipped, as memory does that is hot, old or in space."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.margins import Scorer, margins

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

RATES = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""Probability that a bit of a weight has flipped."""
DRAWS = 5
BITS = 32
GUARD = 100.0
"""How many times the median member's largest logit a member's may be."""


def flip_bits(weights: Floats, rate: float, generator: np.random.Generator) -> Floats:
    """Return weights of any shape in which each bit is flipped with a probability.

    Bits are those of float32 (one of sign, eight of exponent, 23 of mantissa); float64 weights
    are rounded to it first, and return as float64. The result may hold inf and NaN.
    """
    with np.errstate(over="ignore"):  # weights of diverged members outgrow float32
        held = np.array(weights, np.float32, order="C")
    words = held.reshape(-1).view(np.uint32)
    flips = int(generator.binomial(words.size * BITS, rate))
    at = generator.choice(words.size * BITS, flips, replace=False, shuffle=False)
    np.bitwise_xor.at(words, at // BITS, np.uint32(1) << (at % BITS).astype(np.uint32))
    with np.errstate(invalid="ignore"):  # some NaNs signal when they are cast
        return held.astype(weights.dtype)


def flip_all(
    weights: Mapping[str, Floats], rate: float, generator: np.random.Generator
) -> dict[str, Floats]:
    """Return all weights of all members with bits flipped; parameters come in their order."""
    return {name: flip_bits(array, rate, generator) for name, array in weights.items()}


def accuracy(logits: Floats, target: Ints) -> float:
    """Return the fraction right of the mean of logits (M, n, K).

    An answer that is not a number is wrong.
    """
    sums = margins(logits, target).sum(0)
    return Scorer(target, len(sums), sums.dtype).hits(sums) / len(target)


def guarded(logits: Floats) -> Floats:
    """Return logits (M, n, K) in which members that make no sense of an example say nothing.

    Those that say inf or NaN, or whose largest logit is above `GUARD` times the median of the
    others (of an even number, the lower of the middle two).
    """
    largest = np.abs(logits).max(-1, keepdims=True)
    finite = np.isfinite(largest)
    ordered = np.sort(np.where(finite, largest, np.inf), axis=0)
    middle = np.maximum(finite.sum(0, keepdims=True) - 1, 0) // 2
    ordinary = np.take_along_axis(ordered, middle, axis=0)
    return np.where(finite & (largest <= GUARD * ordinary), logits, 0)
