"""Extreme eigenvalues of block-diagonal matrices with a low-rank coupling, matrix-free.

The curvature of the joint loss has one block for each member, plus a coupling that is the same
between all members (Webb et al. 2020, Eq. 4, differentiated twice):

    H = blkdiag(B_1, …, B_M) + V C Vᵀ,    B_j = diag(poles_j),    V = [V_1; …; V_M],

where d, the size of C and of each block, is much smaller than Md, the size of H. By Sylvester's
law of inertia, the number of eigenvalues of H below x is the number of poles below x minus the
number of negative eigenvalues of a matrix of size d,

    W(x) = C⁻¹ + Σ_j V_jᵀ (B_j − x)⁻¹ V_j ,

so bisection finds any eigenvalue up to rounding, with M·d³ operations per step instead of
(M·d)³. The smallest can be computed in two ways. From the inverses of the poles and of C it has a
small relative error however small it is, if it is near the smallest pole; if the coupling raises
it far above that pole, the information about it is lost in the rounding of the largest inverse.
From the poles and a root of C, its error is that of a dense eigenvalue solver: the rounding error
of the largest eigenvalue. Each estimate comes with a bound on its rounding.

Arrays contain n problems side by side: poles (n, M, d), V (n, M, d, d), whose element [i, j, p, a]
belongs to pole p and direction a of the coupling.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

STEPS = 64
"""Maximum number of bisections; they stop once every bracket is narrower than `WIDTH`."""
EPS = float(np.finfo(np.float64).eps)
WIDTH = 1e-12
"""Relative width of a bracket at convergence."""


class Estimate(NamedTuple):
    """An eigenvalue of every H, with its rounding."""

    value: Floats
    """(n,)"""
    rounding: Floats
    """Approximate bound on the relative rounding error, (n,); from 0.1 on, meaningless."""


def smallest(inverse_poles: Floats, vectors: Floats, coupling_inverse: Floats) -> Estimate:
    """Return the smallest eigenvalue of every H from inverses, for positive poles.

    Args:
        inverse_poles: 1/poles, (n, M, d).
        vectors: V, (n, M, d, d).
        coupling_inverse: C⁻¹, (n, d, d); zeros for an infinite coupling, which restricts the
            blocks to the null space of Vᵀ.

    Raises:
        ValueError: if there is only one block.
    """
    count, members, size = inverse_poles.shape
    _refuse_one_block(members)
    ordered = np.sort(1 / inverse_poles.reshape(count, -1), axis=1)
    low = ordered[:, 0]
    high = ordered[:, size]  # C has rank d, so the lowest eigenvalue is below the pole of rank d

    def resolvent(x: Floats) -> Floats:
        scaled = x[:, None, None] * inverse_poles
        return np.asarray(inverse_poles / np.where(scaled == 1, EPS, 1 - scaled))

    def inertia(x: Floats) -> Floats:
        return np.asarray(coupling_inverse + _weighted_gram(vectors, resolvent(x)))

    def reached(x: Floats) -> NDArray[np.bool_]:
        below = (x[:, None, None] * inverse_poles > 1).sum((1, 2))
        return np.asarray(below > _negative(inertia(x)))

    x = _bisect(low, high, reached)
    of_poles = EPS * size * members * inverse_poles.max((1, 2)) * x
    return Estimate(x, np.maximum(of_poles, _of_root(x, inertia(x), vectors, resolvent(x))))


def smallest_directly(poles: Floats, vectors: Floats, coupling_root: Floats | None) -> Estimate:
    """Return the smallest eigenvalue of every H as precisely as a dense eigenvalue solver.

    Args:
        poles: (n, M, d), zero or more, up to rounding.
        vectors: V, (n, M, d, d).
        coupling_root: F with F Fᵀ = C, (n, d, r); None for an infinite coupling, which restricts
            the blocks to the null space of Vᵀ.

    Raises:
        ValueError: if there is only one block.
    """
    count, members, size = poles.shape
    _refuse_one_block(members)
    top = poles.max((1, 2))
    if coupling_root is None:
        norm, inertia = top, _free(poles, vectors)
    else:
        norm = top + _norm_of_coupling(vectors, coupling_root)
        inertia = _coupled(poles, vectors, coupling_root)
    ordered = np.sort(poles.reshape(count, -1), axis=1)
    low = np.maximum(ordered[:, 0], EPS * norm)  # smaller poles are rounding errors

    def reached(x: Floats) -> NDArray[np.bool_]:
        return np.asarray((poles < x[:, None, None]).sum((1, 2)) > _negative(inertia(x)))

    x = _bisect(low, np.maximum(low, ordered[:, size]), reached)
    return Estimate(x, EPS * size * members * norm / x)


def largest(poles: Floats, vectors: Floats, coupling_root: Floats) -> Floats:
    """Return the largest eigenvalue of every H, (n,).

    Args:
        poles: (n, M, d), zero or more.
        vectors: V, (n, M, d, d).
        coupling_root: F with F Fᵀ = C, (n, d, r).
    """
    low, added = poles.max((1, 2)), _norm_of_coupling(vectors, coupling_root)
    inertia = _coupled(poles, vectors, coupling_root)

    def passed(x: Floats) -> NDArray[np.bool_]:
        return np.asarray(_negative(inertia(x)) == 0)

    return _bisect(np.maximum(low, added), low + added, passed)


def _refuse_one_block(members: int) -> None:
    if members == 1:
        raise ValueError(
            "There is only one block, which has no coupling; compute its eigenvalues directly."
        )


def _norm_of_coupling(vectors: Floats, coupling_root: Floats) -> Floats:
    """Return the largest eigenvalue of V C Vᵀ, (n,)."""
    coupled = vectors.reshape(len(vectors), -1, vectors.shape[-1]) @ coupling_root
    return np.asarray(np.linalg.norm(coupled, ord=2, axis=(1, 2)) ** 2)


def _free(poles: Floats, vectors: Floats) -> Callable[[Floats], Floats]:
    """Return Σ_j V_jᵀ(B_j − x)⁻¹V_j as a function of x."""
    return lambda x: _weighted_gram(vectors, 1 / _away_from_zero(poles - x[:, None, None]))


def _coupled(poles: Floats, vectors: Floats, coupling_root: Floats) -> Callable[[Floats], Floats]:
    """Return 1 + Fᵀ(Σ_j V_jᵀ(B_j − x)⁻¹V_j)F, which has the signature of W(x), as a function."""
    free, identity = _free(poles, vectors), np.eye(coupling_root.shape[-1])
    return lambda x: identity + np.swapaxes(coupling_root, -1, -2) @ free(x) @ coupling_root


def _of_root(x: Floats, w: Floats, vectors: Floats, resolvent: Floats) -> Floats:
    """Return the relative error of a root x of det W that the rounding of W causes, (n,).

    An eigenvalue of W with eigenvector u is zero at x. Rounding moves it by eps·‖W‖, and so the
    root by that divided by its slope, uᵀW'(x)u.
    """
    values, turned = np.linalg.eigh(w)
    nearest = np.abs(values).argmin(-1)[:, None, None]
    direction = np.take_along_axis(turned, nearest, -1)[..., None, :, 0]
    components = (vectors * direction[..., None, :]).sum(-1)
    scaled = components * resolvent * np.sqrt(x)[:, None, None]  # whose square does not overflow
    return np.asarray(EPS * w.shape[-1] * np.abs(values).max(-1) / (scaled**2).sum((1, 2)))


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
