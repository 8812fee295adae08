"""Lanczos algorithm: eigenvalues of a symmetric matrix from its products with vectors.

From a start vector, k products give an orthonormal basis of the Krylov space in which the matrix
is tridiagonal. The eigenvalues of that small matrix (Ritz values) converge to those of the large
one from the inside, at both ends of the spectrum first. The norm of the residual of a Ritz value
bounds its distance to the nearest eigenvalue.

The remainder of a step is orthogonalized against the two last vectors first, and then against all.
Where that shortens it, which loses digits, it is done again.

Several runs are batched, for example one for each member: shapes are B runs, n dimensions, k
steps. Any device and floating-point dtype is supported. References: Golub and Van Loan, "Matrix
Computations", chapter 10; for when to orthogonalize again, Daniel, Gragg, Kaufman and Stewart 1976.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
"""Product of the matrix with vectors (B, n), one for each run."""

NOISE = 100.0
"""A remainder shorter than this many rounding errors of the matrix counts as zero.

The basis then spans the whole Krylov space. The limit must scale with the matrix and with the
precision of the dtype: an absolute limit such as 1e-12 is never reached in float32, and spurious
copies of eigenvalues appear."""


@dataclass(frozen=True, kw_only=True)
class Krylov:
    """Result of B Lanczos runs; entries beyond steps[b] of run b are zero."""

    diagonal: Tensor
    """(B, k)"""
    off_diagonal: Tensor
    """Norms of the remainders, (B, k): the off-diagonal, and the last remainder."""
    basis: Tensor
    """Orthonormal rows, (B, k, n)."""
    steps: tuple[int, ...]
    """Number of steps before the remainder vanished, at most k."""


@dataclass(frozen=True, kw_only=True)
class Ritz:
    """Ritz values of one run in ascending order, in float64 on the CPU."""

    values: Tensor
    """(k,)"""
    residuals: Tensor
    """Norm of the residual of each, at least the rounding error, (k,)."""
    weights: Tensor
    """Weights of the Gauss quadrature, (k,): squared components of the start vector."""
    vectors: Tensor
    """Eigenvectors in coordinates of the basis, as columns, (k, k)."""

    @property
    def negative(self) -> int:
        """Number of Ritz values that are below zero by more than their residual."""
        return int((self.values < -self.residuals).sum())


SHORTER = 0.7
"""If orthogonalizing shortens a remainder to less than this fraction, it is done again."""


def lanczos(product: Product, start: Tensor, steps: int) -> Krylov:
    """Run up to `steps` Lanczos steps from each start vector, with full orthogonalization.

    A run stops early once the remainder is zero up to rounding. A multiple eigenvalue is found
    once, since a start vector has a component in only one direction of its eigenspace.

    Args:
        product: Product with the matrix, which may differ between runs.
        start: Start vectors, (B, n), none of them zero.
        steps: Maximum number of products.
    """
    runs, size = start.shape
    steps = min(steps, size)
    basis = start.new_empty(runs, steps, size)
    diagonal, off_diagonal = start.new_zeros(runs, steps), start.new_zeros(runs, steps)
    taken, scale = start.new_zeros(runs), start.new_zeros(runs)
    running = torch.ones_like(taken, dtype=torch.bool)
    vector = start / start.norm(dim=1, keepdim=True)
    for step in range(steps):
        basis[:, step] = vector
        taken += running
        remainder = product(vector)
        diagonal[:, step] = (vector * remainder).sum(1)
        remainder = remainder - diagonal[:, step, None] * vector
        if step:
            remainder -= off_diagonal[:, step - 1, None] * basis[:, step - 1]
        remainder, length = _orthogonal(basis[:, : step + 1], remainder)
        scale = torch.maximum(scale, diagonal[:, step].abs() + length)
        running &= length > NOISE * torch.finfo(start.dtype).eps * scale
        off_diagonal[:, step] = torch.where(running, length, 0.0)
        if not bool(running.any()):
            basis[:, step + 1 :] = 0
            break
        vector = torch.where(running[:, None], remainder / length[:, None], 0.0)
    return Krylov(
        diagonal=diagonal,
        off_diagonal=off_diagonal,
        basis=basis,
        steps=tuple(int(n) for n in taken),
    )


def ritz(krylov: Krylov, run: int = 0) -> Ritz:
    """Return the Ritz values of one run."""
    count = krylov.steps[run]
    diagonal = krylov.diagonal[run, :count].double().cpu()
    off_diagonal = krylov.off_diagonal[run, :count].double().cpu()
    small = (
        torch.diag(diagonal) + torch.diag(off_diagonal[:-1], 1) + torch.diag(off_diagonal[:-1], -1)
    )
    values, vectors = torch.linalg.eigh(small)
    rounding = NOISE * torch.finfo(krylov.diagonal.dtype).eps * values.abs().max()
    return Ritz(
        values=values,
        residuals=(off_diagonal[-1] * vectors[-1].abs()).clamp(min=float(rounding)),
        weights=vectors[0] ** 2,
        vectors=vectors,
    )


def inverse_bounds(krylov: Krylov, shift: float) -> Tensor:
    """Return bounds on vᵀ(A + shift)⁻¹v for the unit start vector v of every run, (B, 2).

    The lower is the Gauss quadrature of the Lanczos steps, the upper that of Gauss and Radau with a
    node below the spectrum (Golub and Meurant 2010, section 6.2).

    Args:
        krylov: Result of Lanczos runs with positive semidefinite matrices A.
        shift: Above 0.
    """
    diagonal, beside = krylov.diagonal.double().cpu(), krylov.off_diagonal.double().cpu()
    small = torch.diag_embed(diagonal)
    small += torch.diag_embed(beside[:, :-1], 1) + torch.diag_embed(beside[:, :-1], -1)
    # The last diagonal element is chosen so that the node is an eigenvalue.
    node = -1e-3 * shift
    last = node + beside[:, -1] ** 2 * _inverse_at(small, -node, -1)
    larger = torch.nn.functional.pad(small, (0, 1, 0, 1))
    larger[:, -1, -1] = last
    larger[:, -1, -2] = larger[:, -2, -1] = beside[:, -1]
    return torch.stack([_inverse_at(matrix, shift, 0) for matrix in (small, larger)], 1)


def _inverse_at(matrices: Tensor, shift: float, place: int) -> Tensor:
    """Return a diagonal element of (A + shift)⁻¹ for matrices (B, k, k), (B,)."""
    unit = torch.eye(matrices.shape[-1], dtype=matrices.dtype)
    shifted = matrices + shift * unit
    return torch.linalg.solve(shifted, unit[:, [place]])[:, place, 0]


def batch_of_one(product: Callable[[Tensor], Tensor]) -> Product:
    """Adapt a product of vectors (n,) to a batch of a single run, (1, n)."""
    return lambda vectors: product(vectors[0]).unsqueeze(0)


def _orthogonal(basis: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return vectors (B, n) without their projections on rows (B, k, n), and their lengths (B,)."""
    before = vectors.norm(dim=1)
    vectors = _without(basis, vectors)
    length = vectors.norm(dim=1)
    if bool((length < SHORTER * before).any()):
        vectors = _without(basis, vectors)
        length = vectors.norm(dim=1)
    return vectors, length


def _without(basis: Tensor, vectors: Tensor) -> Tensor:
    """Subtract from vectors (B, n) their projections on orthonormal rows (B, k, n)."""
    parts = torch.matmul(basis, vectors.unsqueeze(2))
    return torch.baddbmm(vectors.unsqueeze(1), parts.mT, basis, alpha=-1).squeeze(1)
