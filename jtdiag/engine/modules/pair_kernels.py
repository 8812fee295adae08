"""Proxies of a module: how near the kernel of its outputs is to the ideal one, pair by pair.

The kernel of two examples is the cosine of a module's outputs after the activation. The ideal one
is c = 1 for two examples of the same class and the kernel's lower limit a for others: 0 for ReLU,
−1 for tanh (Duan, Yu, Chen & Principe 2020, Neural Computation 32; Duan, Yu & Principe 2022). All
proxies are larger where the kernel is nearer, and are taken over pairs i < j: over all pairs they
would count the diagonal, on which every kernel is right. Pure functions of arrays.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from jtdiag.engine.modules.local_losses import unit

Proxy = Callable[[Tensor, Tensor, Tensor, float, float], Tensor]
"""Maps the kernel (..., B, B), where classes are the same, which pairs count, the lower limit a and
the temperature to a value (...)."""


def kernel(features: Tensor) -> Tensor:
    """Return the cosines (..., B, B) of features (..., B, D); 0 with a feature vector of 0."""
    directions = unit(features)
    return directions @ directions.transpose(-1, -2)


def upper(batch: int, device: torch.device) -> Tensor:
    """Return which entries (B, B) are pairs i < j."""
    return torch.ones(batch, batch, dtype=torch.bool, device=device).triu(1)


def ideal(same: Tensor, low: float, dtype: torch.dtype) -> Tensor:
    """Return the ideal kernel: 1 for the same class, the lower limit for others."""
    within, across = torch.tensor([1.0, low], dtype=dtype, device=same.device)
    return torch.where(same, within, across)


def best_alignment(features: int, classes: int) -> float:
    """Return the largest alignment of features with few dimensions, for lower limit a = 0.

    It is √(D/C) for C classes of equal size with m examples each, C ≥ D, over pairs i < j. Let n of
    the N = C·m examples have features other than 0, n_c of them in class c, and X = ⟨K, T⟩ over all
    entries, diagonal included. The alignment is (X − n) / √((‖K‖² − n)·C·m(m − 1)). If n ≤ D·m,
    the entries within classes alone give (X − n)² ≤ (‖K‖² − n)·Σ n_c(n_c − 1) by Cauchy and
    Schwarz, and the sum is at most n(m − 1) ≤ D·m(m − 1). If n > D·m, X ≤ m·n, and K has trace n
    and rank D at most, so ‖K‖² ≥ n²/D, and the bound follows again. It is reached by classes that
    share axes only if D divides C and batches are large, and exactly by features that are 0 for
    all classes but D.

    Args:
        features: Dimensions D of the features.
        classes: Number of classes C.
    """
    return math.sqrt(min(1.0, features / classes))


def alignment(k: Tensor, same: Tensor, pairs: Tensor, low: float, _: float) -> Tensor:
    """Return ⟨K, T⟩ / (‖K‖ ‖T‖), and 0 where it is not defined, as without a pair of one class."""
    wanted = ideal(same, low, k.dtype) * pairs
    squares = (k.square() * pairs).sum((-2, -1)) * wanted.square().sum((-2, -1))
    defined = squares > 0
    product = (k * wanted).sum((-2, -1))
    return torch.where(defined, product / torch.where(defined, squares, 1.0).sqrt(), 0.0)


def squared_error(k: Tensor, same: Tensor, pairs: Tensor, low: float, _: float) -> Tensor:
    """Return −mean (K − T)²."""
    return -_mean((k - ideal(same, low, k.dtype)).square(), pairs)


def difference(k: Tensor, same: Tensor, pairs: Tensor, _low: float, _: float) -> Tensor:
    """Return the mean of K for pairs of the same class and −K for others."""
    return _mean(torch.where(same, k, -k), pairs)


def different_classes(k: Tensor, same: Tensor, pairs: Tensor, _low: float, _: float) -> Tensor:
    """Return −mean K over pairs of different classes only ("neo")."""
    return -_mean(k, pairs & ~same)


def contrast(k: Tensor, same: Tensor, pairs: Tensor, _: float, temperature: float) -> Tensor:
    """Return log Σ exp(K/τ) over pairs of the same class − log Σ exp(K/τ) over all; 0 without."""
    scaled = k / temperature
    wanted = pairs & same
    defined = wanted.any(-1).any(-1)
    # Where no pair is of the same class all count, so that both sums, and gradients, are equal.
    wanted = torch.where(defined[..., None, None], wanted, pairs)
    within, every = (
        scaled.masked_fill(~which, -torch.inf).flatten(-2).logsumexp(-1)
        for which in (wanted, pairs)
    )
    return within - every


def _mean(values: Tensor, pairs: Tensor) -> Tensor:
    """Return the mean over the pairs that count, 0 if there are none."""
    return (values * pairs).sum((-2, -1)) / pairs.sum((-2, -1)).clamp(min=1)


PROXIES: Mapping[str, Proxy] = {
    "al": alignment,
    "nmse": squared_error,
    "raw": difference,
    "neo": different_classes,
    "cts": contrast,
}
"""By the value of modules.loss."""


SAME_CLASS = ("al", "cts", "contrast")
"""Losses that need a pair of the same class; "neo" needs one of different classes."""


def needed(loss: str, same: Tensor, pairs: Tensor) -> Tensor:
    """Return which of some pairs a loss can learn from; without any, a batch has no value.

    Args:
        loss: The value of modules.loss.
        same: (..., B, B), whether two examples are of the same class.
        pairs: (..., B, B), the pairs that count.
    """
    if loss in SAME_CLASS:
        return pairs & same
    return pairs & ~same if loss == "neo" else pairs


def labelled(positions: Tensor, share: float, seed: int) -> Tensor:
    """Return which pairs (..., B, B) of examples are labelled: a fixed, symmetric random choice.

    Args:
        positions: (..., B), numbers of the examples, the same in every epoch.
        share: Probability that a pair is labelled.
        seed: Of the choice.
    """
    first = torch.minimum(positions.unsqueeze(-1), positions.unsqueeze(-2))
    second = torch.maximum(positions.unsqueeze(-1), positions.unsqueeze(-2))
    mixed = _mixed(_mixed(_mixed(first) + second) + seed)
    return (mixed >> 11 & (2**53 - 1)).double() < share * 2**53


def _mixed(x: Tensor) -> Tensor:
    """Return 64 bits that look random, for each of some integers (the mixer of SplitMix64)."""
    x = x + _signed(0x9E3779B97F4A7C15)
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Return a logical shift to the right; that of torch keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x
