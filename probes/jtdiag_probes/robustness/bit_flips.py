"""Random bit flips in weights, as they occur in faulty or irradiated memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.robustness.margins import Scorer, margins

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

RATES = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""Probabilities that a bit of a weight is flipped."""
DRAWS = 5
"""Random draws at each probability."""
BITS = 32
GUARD = 100.0
"""A member is excluded if its largest logit exceeds this multiple of the median member's."""


def flip_bits(weights: Floats, rate: float, generator: np.random.Generator) -> Floats:
    """Flip each bit of an array of weights independently with probability `rate`.

    Bits are those of float32: 1 sign, 8 exponent and 23 mantissa bits. float64 weights are rounded
    to float32 first and returned as float64. The result may contain inf and NaN.
    """
    with np.errstate(over="ignore"):  # weights of diverged members overflow float32
        flipped = np.array(weights, np.float32, order="C")
    words = flipped.reshape(-1).view(np.uint32)
    flips = int(generator.binomial(words.size * BITS, rate))
    bits = generator.choice(words.size * BITS, flips, replace=False, shuffle=False)
    np.bitwise_xor.at(words, bits // BITS, np.uint32(1) << (bits % BITS).astype(np.uint32))
    with np.errstate(invalid="ignore"):  # casting a signaling NaN warns
        return flipped.astype(weights.dtype)


def flip_all(
    weights: Mapping[str, Floats], rate: float, generator: np.random.Generator
) -> dict[str, Floats]:
    """Flip bits in the weights of all members, parameter by parameter in the given order."""
    return {name: flip_bits(array, rate, generator) for name, array in weights.items()}


def accuracy(logits: Floats, target: Ints) -> float:
    """Return the accuracy of the ensemble's mean logits, for logits (M, n, K).

    A prediction of NaN counts as wrong.
    """
    sums = margins(logits, target).sum(0)
    return Scorer(target, len(sums), sums.dtype).hits(sums) / len(target)


def guarded(logits: Floats) -> Floats:
    """Set the logits (M, n, K) of members that are implausible on an example to zero there.

    A member is implausible if it has a logit of inf or NaN, or if its largest logit exceeds
    `GUARD` times the median over members (of an even number, the lower of the middle two).
    """
    largest = np.abs(logits).max(-1, keepdims=True)
    finite = np.isfinite(largest)
    ordered = np.sort(np.where(finite, largest, np.inf), axis=0)
    middle = np.maximum(finite.sum(0, keepdims=True) - 1, 0) // 2
    median = np.take_along_axis(ordered, middle, axis=0)
    return np.where(finite & (largest <= GUARD * median), logits, 0)
