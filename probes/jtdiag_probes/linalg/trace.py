"""Trace of a symmetric matrix from its products with vectors: Hutch++.

Meyer, Musco, Musco and Woodruff (2021): a third of the products finds a subspace that captures
most of the matrix. The trace is exact on it, and Hutchinson's estimator is used for the remainder.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jtdiag.stats import standard_error


def hutch_plus_plus(
    product: Callable[[Tensor], Tensor], like: Tensor, products: int, seed: int = 0
) -> tuple[float, float]:
    """Return the trace and its standard error.

    Args:
        product: Product of the matrix with a vector (n,).
        like: A vector (n,) with the size, dtype and device to use.
        products: Number of products with the matrix, a third each to find the subspace, to compute
            the trace on it, and to estimate the remainder.
        seed: Seed of the random signs.

    Returns:
        The estimate and its standard error, which is 0 if the subspace is the whole space.

    Raises:
        ValueError: if there are fewer than 6 products; the standard error needs two samples.
    """
    third = products // 3
    if third < 2:
        raise ValueError(f"products is {products}; Hutch++ needs at least 6 to estimate its error.")
    size = like.numel()
    generator = torch.Generator().manual_seed(seed)
    signs = (2 * torch.randint(0, 2, (2 * third, size), generator=generator) - 1).to(like)
    sketch = torch.stack([product(sign) for sign in signs[: min(third, size)]], 1)
    basis, _ = torch.linalg.qr(sketch)
    on_basis = sum(float(column @ product(column)) for column in basis.T)
    if basis.shape[1] == size:
        return on_basis, 0.0
    remainders = signs[third:] - (signs[third:] @ basis) @ basis.T
    samples = np.array([float(vector @ product(vector)) for vector in remainders])
    return on_basis + float(samples.mean()), float(standard_error(samples))
