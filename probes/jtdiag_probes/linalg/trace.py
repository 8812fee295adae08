"""Trace of a symmetric matrix known by its products: Hutch++.

Meyer, Musco, Musco and Woodruff 2021: a third of the products finds a subspace that holds most of
the matrix, on which the trace is exact; Hutchinson's estimate is left with the rest.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def hutch_plus_plus(
    product: Callable[[Tensor], Tensor], like: Tensor, products: int, seed: int = 0
) -> tuple[float, float]:
    """Return the trace and its standard error.

    Args:
        product: From vectors (n,) to the matrix's products with them.
        like: A vector (n,), for size, type and device.
        products: Products with the matrix; a third each to find the subspace, to sum over it and
            to estimate the rest.
        seed: Of the random signs.

    Returns:
        The estimate, and the standard error of its random part: 0 where the subspace is all.

    Raises:
        ValueError: if there are fewer than 6 products: the error needs two samples.
    """
    third = products // 3
    if third < 2:
        raise ValueError(f"products is {products}; Hutch++ needs 6 or more, for its error.")
    size = like.numel()
    generator = torch.Generator().manual_seed(seed)
    signs = (2 * torch.randint(0, 2, (2 * third, size), generator=generator) - 1).to(like)
    sketch = torch.stack([product(sign) for sign in signs[: min(third, size)]], 1)
    basis, _ = torch.linalg.qr(sketch)
    on_basis = sum(float(column @ product(column)) for column in basis.T)
    if basis.shape[1] == size:
        return on_basis, 0.0
    rests = signs[third:] - (signs[third:] @ basis) @ basis.T
    samples = torch.tensor([float(rest @ product(rest)) for rest in rests], dtype=torch.float64)
    error = samples.std(correction=1) / third**0.5
    return on_basis + float(samples.mean()), float(error)
