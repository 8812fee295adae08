"""Unbiased linear CKA: how similar two representations of the same examples are.

CKA (Kornblith et al. 2019) is HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) with kernels K = XXᵀ and
L = YYᵀ of features X (n, d) and Y (n, e). The biased HSIC makes independent features of many units
similar; the unbiased one (Song et al. 2012) does not. In batches, CKA is the ratio of sums of HSIC
over batches (Nguyen et al. 2021), not the mean of ratios.

The unbiased HSIC is the inner product of two matrices with zero diagonals that are centered without
their diagonals (Székely and Rizzo 2014), so CKA is the cosine of two vectors.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Batches = Sequence[NDArray[np.intp]]
"""Positions of the examples of each batch."""
FEWEST: Final = 4
"""Examples of a batch below which the unbiased HSIC does not exist."""
BATCH: Final = 125
"""Largest number of examples in a batch of the probe; a vector has about n · BATCH / 2 numbers."""
ROUNDING: Final = 1e-10
"""Fraction of a kernel up to which its centered part is rounding: features with a spread of less
than 1e-5 of their size are constant in float32."""


def batches(count: int, largest: int = BATCH) -> Batches:
    """Return batches of nearly equal size, in a fixed random order of the examples.

    In their own order, examples may be sorted by class, and batches would each have a single one.

    Args:
        count: Number of examples; no batches for fewer than `FEWEST`.
        largest: Largest number of examples in a batch.
    """
    if count < FEWEST:
        return []
    order = np.random.default_rng(0).permutation(count)
    return np.array_split(order, math.ceil(count / largest))


def u_centered(kernel: Matrix) -> Matrix:
    """Return a kernel (n, n) without its diagonal, centered so that products are unbiased.

    Args:
        kernel: Symmetric, centered or not; n ≥ 4. It is not changed.
    """
    count = len(kernel)
    inner = np.array(kernel, np.float64)
    np.fill_diagonal(inner, 0)
    rows = inner.sum(0)
    inner -= (rows[:, None] + rows) / (count - 2) - rows.sum() / ((count - 1) * (count - 2))
    np.fill_diagonal(inner, 0)
    return inner


def hsic(a: Matrix, b: Matrix) -> float:
    """Return the unbiased HSIC of two kernels (n, n), which may be negative; n ≥ 4."""
    count = len(a)
    return float((u_centered(a) * u_centered(b)).sum()) / (count * (count - 3))


def vector(features: NDArray[np.floating[Any]], of_batches: Batches) -> NDArray[np.float64]:
    """Return a vector (D,) of which inner products are sums of unbiased HSIC over batches.

    Args:
        features: (n, d), finite.
        of_batches: As from `batches`.
    """
    parts = []
    for batch in of_batches:
        z = np.asarray(features[batch], np.float64)
        z = z - z.mean(0)  # changes nothing but rounding: products are invariant to shifts
        count = len(batch)
        above = u_centered(z @ z.T)[np.triu_indices(count, 1)]
        parts.append(above * math.sqrt(2 / (count * (count - 3))))
    return np.concatenate(parts) if parts else np.zeros(0)


def unit_vector(features: NDArray[np.floating[Any]], of_batches: Batches) -> NDArray[np.float64]:
    """Return the vector of features (n, d) with length 1: CKA is the product of two of them.

    NaN in every element if the features have no CKA: if one is not finite, if they are the same
    for all examples up to rounding, or if there are no batches.
    """
    z = np.asarray(features, np.float64)
    largest = float(np.abs(z).max(initial=0))
    size = sum(len(batch) * (len(batch) - 1) // 2 for batch in of_batches)
    if not 0 < largest < math.inf or not size:  # also for NaN
        return np.full(size, np.nan)
    z = z / largest  # so that no product overflows
    result = vector(z, of_batches)
    length = float(np.linalg.norm(result))
    if length <= ROUNDING * math.sqrt(len(of_batches)) * float((z * z).sum()) / len(z):
        return np.full(size, np.nan)
    return result / length


def cka(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], largest: int | None = None
) -> float:
    """Return the unbiased linear CKA of features (n, d) and (n, e), at most 1.

    Near 0, or slightly negative, for independent features. Invariant to rotations and shifts of
    the features and to one common factor, not to a factor for each feature. NaN if one of them has
    no CKA, as for `unit_vector`, or n < 4.

    Args:
        a: Features of the examples.
        b: Other features of the same examples.
        largest: Largest number of examples in a batch; by default all are one batch.
    """
    of_batches = batches(len(a), largest or len(a) or 1)
    if not of_batches:
        return math.nan
    product = unit_vector(a, of_batches) @ unit_vector(b, of_batches)
    return float(np.minimum(product, 1))  # Python's min would lose NaN
