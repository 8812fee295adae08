"""Extreme eigenvalues of block-diagonal matrices with a low-rank coupling, matrix-free.

The curvature of the joint loss has one block for each member, plus a coupling that is the same
between all members (Webb et al. 2020, Eq. 4, differentiated twice):

    H = blkdiag(B_1, …, B_M) + V C Vᵀ,    B_j = diag(poles_j),    V = [V_1; …; V_M],

where d, the size of C and of each block, is much smaller than Md, the size of H. By Sylvester's
law of inertia, the number of eigenvalues of H below x is the number of poles below x minus the
number of negative eigenvalues of a matrix of size d,

    W(x) = C⁻¹ + Σ_j V_jᵀ (B_j − x)⁻¹ V_j ,

so bisection finds any eigenvalue up to rounding, with M·d³ operations per step instead of
(M·d)³. The smallest is computed from the inverses of the poles and of C, and the largest from the
poles and a root of C, so that both have a small relative error however far apart they are.

Arrays contain n problems side by side: poles (n, M, d), V (n, M, d, d), whose element [i, j, p, a]
belongs to pole p and direction a of the coupling.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

STEPS = 64
"""Maximum number of bisections; they stop once every bracket is narrower than `WIDTH`."""
EPS = float(np.finfo(np.float64).eps)
WIDTH = 1e-12
"""Relative width of a bracket at convergence."""


def smallest(inverse_poles: Floats, vectors: Floats, coupling_inverse: Floats) -> Floats:
    """Return the smallest eigenvalue of every H, (n,), for positive poles.

    Args:
        inverse_poles: 1/poles, (n, M, d).
        vectors: V, (n, M, d, d).
        coupling_inverse: C⁻¹, (n, d, d); zeros for an infinite coupling, which restricts the
            blocks to the null space of Vᵀ.

    Raises:
        ValueError: if there is only one block.
    """
    count, members, size = inverse_poles.shape
    if members == 1:
        raise ValueError(
            "There is only one block, which has no coupling; compute its eigenvalues directly."
        )
    ordered = np.sort(1 / inverse_poles.reshape(count, -1), axis=1)
    low = ordered[:, 0]
    high = ordered[:, size]  # C has rank d, so the lowest eigenvalue is below the pole of rank d

    def reached(x: Floats) -> NDArray[np.bool_]:
        scaled = x[:, None, None] * inverse_poles
        resolvent = inverse_poles / np.where(scaled == 1, EPS, 1 - scaled)
        w = coupling_inverse + _weighted_gram(vectors, resolvent)
        return (scaled > 1).sum((1, 2)) > _negative(w)

    return _bisect(low, high, reached)


def largest(poles: Floats, vectors: Floats, coupling_root: Floats) -> Floats:
    """Return the largest eigenvalue of every H, (n,).

    Args:
        poles: (n, M, d), zero or more.
        vectors: V, (n, M, d, d).
        coupling_root: F with F Fᵀ = C, (n, d, r).
    """
    low = poles.max((1, 2))
    coupled = vectors.reshape(len(poles), -1, vectors.shape[-1]) @ coupling_root
    added = np.linalg.norm(coupled, ord=2, axis=(1, 2)) ** 2
    identity = np.eye(coupling_root.shape[-1])

    def passed(x: Floats) -> NDArray[np.bool_]:
        resolvent = 1 / _away_from_zero(poles - x[:, None, None])
        gram = _weighted_gram(vectors, resolvent)
        w = identity + np.swapaxes(coupling_root, -1, -2) @ gram @ coupling_root
        return _negative(w) == 0

    return _bisect(np.maximum(low, added), low + added, passed)


def _weighted_gram(vectors: Floats, weights: Floats) -> Floats:
    """Return Σ_jp w_jp v_jp v_jpᵀ for every problem, (n, d, d)."""
    rows = vectors.reshape(len(vectors), -1, vectors.shape[-1])
    return np.asarray(np.swapaxes(rows, 1, 2) @ (weights.reshape(len(vectors), -1, 1) * rows))


def _negative(w: Floats) -> NDArray[np.intp]:
    return np.asarray((np.linalg.eigvalsh(w) < 0).sum(-1))


def _away_from_zero(values: Floats) -> Floats:
    """Replace zeros by a tiny value, so that x is never exactly at a pole."""
    scale = np.abs(values).max((1, 2), keepdims=True)
    return np.where(values == 0, EPS * scale, values)


def _bisect(low: Floats, high: Floats, beyond: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """Return where `beyond` becomes true between low and high, by bisection on a log scale."""
    for _ in range(STEPS):
        if np.all(high <= low * (1 + WIDTH)):
            break
        middle = np.sqrt(low) * np.sqrt(high)
        over = beyond(middle)
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray(np.sqrt(low) * np.sqrt(high))
