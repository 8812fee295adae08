"""Eigenvalues of a symmetric matrix that is known by its products with vectors: Lanczos's method.

From a start vector, k products give an orthonormal basis of the Krylov space in which the matrix
is tridiagonal. The eigenvalues of that small matrix (Ritz values) approach those of the large
one, from inside and at both ends of the spectrum first. Each comes with the norm of its residual:
some eigenvalue lies no farther away than that.

Several runs go side by side, for instance one for each member: shapes are B runs, n dimensions,
k steps. Works on any device and in any floating type. See Golub and Van Loan, "Matrix
Computations", chapter 10; twice is enough: Giraud, Langou, Rozložník 2005.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
"""From vectors (B, n) to the matrix's products with them, (B, n)."""

NOISE = 100.0
"""A remainder this many roundings long, relative to the matrix, is taken for rounding.

The basis then spans all that the start vector reaches. The limit must grow with the matrix and
with the type's precision: an absolute 1e-12 is never met in float32, and every eigenvalue comes
many times."""


@dataclass(frozen=True, kw_only=True)
class Krylov:
    """What B runs of Lanczos found; run b took steps[b] steps, and what lies beyond is zero."""

    diagonal: Tensor
    """(B, k)"""
    beside: Tensor
    """Lengths of the remainders, (B, k): the second diagonal, and the last remainder."""
    basis: Tensor
    """Orthonormal rows, (B, k, n)."""
    steps: tuple[int, ...]
    """Steps taken before the remainder vanished, of k at most."""


@dataclass(frozen=True, kw_only=True)
class Ritz:
    """Ritz values of one run in ascending order, in float64 on the CPU."""

    values: Tensor
    """(k,)"""
    residuals: Tensor
    """Norm of the residual of each, never below rounding, (k,)."""
    weights: Tensor
    """Shares of the start vector, (k,), adding up to 1: Gauss quadrature's weights."""
    vectors: Tensor
    """In coordinates of the basis, as columns, (k, k)."""

    @property
    def negative(self) -> int:
        """How many lie below zero by more than their residual."""
        return int((self.values < -self.residuals).sum())


def lanczos(product: Product, start: Tensor, steps: int) -> Krylov:
    """Take up to `steps` steps from each start vector, every basis kept orthonormal.

    A run ends early when the remainder is rounding: then the start vector has been used up. A
    multiple eigenvalue is found once, since one start vector sees one direction of it.

    Args:
        product: The matrix, or one for each run.
        start: (B, n), none of them zero.
        steps: Products to be taken at most.
    """
    runs, size = start.shape
    steps = min(steps, size)
    basis = start.new_zeros(runs, steps, size)
    diagonal, beside = start.new_zeros(runs, steps), start.new_zeros(runs, steps)
    taken, scale = start.new_zeros(runs), start.new_zeros(runs)
    going = torch.ones_like(taken, dtype=torch.bool)
    vector = start / start.norm(dim=1, keepdim=True)
    for step in range(steps):
        basis[:, step] = vector
        taken += going
        remainder = product(vector)
        diagonal[:, step] = (vector * remainder).sum(1)
        for _ in range(2):
            remainder = _without(basis[:, : step + 1], remainder)
        length = remainder.norm(dim=1)
        scale = torch.maximum(scale, diagonal[:, step].abs() + length)
        going &= length > NOISE * torch.finfo(start.dtype).eps * scale
        beside[:, step] = torch.where(going, length, 0.0)
        if not bool(going.any()):
            break
        vector = torch.where(going[:, None], remainder / length[:, None], 0.0)
    return Krylov(diagonal=diagonal, beside=beside, basis=basis, steps=tuple(int(n) for n in taken))


def ritz(krylov: Krylov, run: int = 0) -> Ritz:
    """Return the Ritz values of one run."""
    count = krylov.steps[run]
    diagonal = krylov.diagonal[run, :count].double().cpu()
    beside = krylov.beside[run, :count].double().cpu()
    small = torch.diag(diagonal) + torch.diag(beside[:-1], 1) + torch.diag(beside[:-1], -1)
    values, vectors = torch.linalg.eigh(small)
    rounding = NOISE * torch.finfo(krylov.diagonal.dtype).eps * values.abs().max()
    return Ritz(
        values=values,
        residuals=(beside[-1] * vectors[-1].abs()).clamp(min=float(rounding)),
        weights=vectors[0] ** 2,
        vectors=vectors,
    )


def alone(product: Callable[[Tensor], Tensor]) -> Product:
    """Return a product of vectors (n,) as one of a single run, (1, n)."""
    return lambda vectors: product(vectors[0]).unsqueeze(0)


def _without(basis: Tensor, vectors: Tensor) -> Tensor:
    """Return vectors (B, n) less their parts in orthonormal rows (B, k, n)."""
    parts = torch.matmul(basis, vectors.unsqueeze(2))
    return torch.baddbmm(vectors.unsqueeze(1), parts.mT, basis, alpha=-1).squeeze(1)
