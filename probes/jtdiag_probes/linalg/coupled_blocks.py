"""Extreme eigenvalues of block-diagonal matrices with a low-rank coupling, matrix-free.

The curvature of the joint loss has one block for each member, plus a coupling that is the same
between all members (Webb et al. 2020, Eq. 4, differentiated twice):

    H = blkdiag(B_1, …, B_M) + V C Vᵀ,    B_j = diag(poles_j),    V = [V_1; …; V_M],

where d, the size of C and of each block, is much smaller than Md, the size of H. By Sylvester's
law of inertia, the number of eigenvalues of H below x is the number of poles below x minus the
number of negative eigenvalues of a matrix of size d,

    W(x) = C⁻¹ + Σ_j V_jᵀ (B_j − x)⁻¹ V_j ,

so a bracket around any eigenvalue can be narrowed up to rounding, with M·d³ operations per step
instead of (M·d)³. Between two poles the eigenvalues of W increase with x, and one of them is zero
at the eigenvalue of H, so secants narrow it faster than bisection. The smallest can be computed in
two ways. From the inverses of the poles and of C it has a small relative error however small it is,
if it is near the smallest pole; if the coupling raises it far above that pole, the information
about it is lost in the rounding of the largest inverse. From the poles and a root of C, its error
is that of a dense eigenvalue solver: the rounding error of the largest eigenvalue. Each estimate
comes with a bound on its rounding.

Arrays contain n problems side by side: poles (n, M, d), V (n, M, d, d), whose element [i, j, p, a]
belongs to pole p and direction a of the coupling.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

STEPS = 96
"""Maximum number of steps; they stop once every bracket is narrower than `WIDTH`."""
Which = slice | NDArray[np.intp]
"""Problems that are computed."""
EVERY = slice(None)
Inertia = Callable[[Floats, Which], Floats]
"""W(x), (m, d, d), of some of the problems at x (m,)."""
EPS = float(np.finfo(np.float64).eps)
WIDTH = 1e-12
"""Relative width of a bracket at convergence."""


class Estimate(NamedTuple):
    """An eigenvalue of every H, with its rounding."""

    value: Floats
    """(n,)"""
    rounding: Floats
    """Approximate bound on the relative rounding error, (n,); from 0.1 on, meaningless."""


class Crossing(NamedTuple):
    """A function of x that turns positive at an eigenvalue of H, for every problem."""

    value: Floats
    """(n,); it increases between poles."""
    poles: NDArray[np.intp]
    """Number of poles below x, (n,)."""


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

    def resolvent(x: Floats, which: Which) -> Floats:
        scaled = x[:, None, None] * inverse_poles[which]
        return np.asarray(inverse_poles[which] / np.where(scaled == 1, EPS, 1 - scaled))

    def inertia(x: Floats, which: Which) -> Floats:
        grams = _weighted_gram(vectors[which], resolvent(x, which))
        return np.asarray(coupling_inverse[which] + grams)

    def counted(x: Floats, which: Which) -> Crossing:
        below = (x[:, None, None] * inverse_poles[which] > 1).sum((1, 2))
        return _crossing(below, inertia(x, which))

    x = _narrowed(low, high, counted)
    w, at_x = inertia(x, EVERY), resolvent(x, EVERY)
    of_poles = EPS * size * members * inverse_poles.max((1, 2)) * x
    return Estimate(x, np.maximum(of_poles, _of_root(x, w, vectors, at_x)))


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

    def counted(x: Floats, which: Which) -> Crossing:
        return _crossing((poles[which] < x[:, None, None]).sum((1, 2)), inertia(x, which))

    x = _narrowed(low, np.maximum(low, ordered[:, size]), counted)
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

    def counted(x: Floats, which: Which) -> Crossing:
        return Crossing(np.linalg.eigvalsh(inertia(x, which))[:, 0], np.zeros(len(x), np.intp))

    return _narrowed(np.maximum(low, added), low + added, counted)


def _refuse_one_block(members: int) -> None:
    if members == 1:
        raise ValueError(
            "There is only one block, which has no coupling; compute its eigenvalues directly."
        )


def _norm_of_coupling(vectors: Floats, coupling_root: Floats) -> Floats:
    """Return the largest eigenvalue of V C Vᵀ, (n,)."""
    coupled = vectors.reshape(len(vectors), -1, vectors.shape[-1]) @ coupling_root
    return np.asarray(np.linalg.norm(coupled, ord=2, axis=(1, 2)) ** 2)


def _free(poles: Floats, vectors: Floats) -> Inertia:
    """Return Σ_j V_jᵀ(B_j − x)⁻¹V_j as a function of x."""

    def function(x: Floats, which: Which) -> Floats:
        shifted = _away_from_zero(poles[which] - x[:, None, None])
        return _weighted_gram(vectors[which], 1 / shifted)

    return function


def _coupled(poles: Floats, vectors: Floats, coupling_root: Floats) -> Inertia:
    """Return 1 + Fᵀ(Σ_j V_jᵀ(B_j − x)⁻¹V_j)F, which has the signature of W(x), as a function."""
    free, identity = _free(poles, vectors), np.eye(coupling_root.shape[-1])

    def function(x: Floats, which: Which) -> Floats:
        root = coupling_root[which]
        return np.asarray(identity + np.swapaxes(root, -1, -2) @ free(x, which) @ root)

    return function


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


def _crossing(below: NDArray[np.intp], w: Floats) -> Crossing:
    """Return the eigenvalue of W that is zero at the smallest eigenvalue of H.

    H has an eigenvalue below x if more poles are below x than eigenvalues of W are negative.

    Args:
        below: Number of poles below x, (n,).
        w: W(x), (n, d, d).
    """
    values = np.linalg.eigvalsh(w)
    nth = np.clip(below - 1, 0, w.shape[-1] - 1)
    value = np.take_along_axis(values, nth[:, None], -1)[:, 0]
    value = np.where(below == 0, -np.inf, np.where(below > w.shape[-1], np.inf, value))
    return Crossing(value, below)


def _away_from_zero(values: Floats) -> Floats:
    """Replace zeros by a tiny value, so that x is never exactly at a pole."""
    scale = np.abs(values).max((1, 2), keepdims=True)
    return np.where(values == 0, EPS * scale, values)


def _narrowed(low: Floats, high: Floats, counted: Callable[[Floats, Which], Crossing]) -> Floats:
    """Return where a `Crossing` turns positive between low and high.

    Steps take turns: a secant, one of twice the length so that the root is enclosed from the other
    side, and bisection on a log scale, which is also used where a pole is inside the bracket.
    Reference: Alefeld, Potra and Shi 1995.
    """
    ends = np.stack([low, high])
    values, poles = np.full(ends.shape, np.nan), np.full(ends.shape, -1)
    for step in range(STEPS):
        is_open = ends[1] > ends[0] * (1 + WIDTH)
        if not is_open.any():
            break
        which = EVERY if is_open.all() else np.flatnonzero(is_open)
        own, f = ends[:, which], values[:, which]
        x = np.sqrt(own[0]) * np.sqrt(own[1])
        if step % 3:
            secant = _secant(own, f, double=step % 3 == 2)
            smooth = (poles[0, which] == poles[1, which]) & np.isfinite(secant)
            x = np.where(smooth, secant, x)
        at_x = counted(x, which)
        side = (~(at_x.value < 0)).astype(int)
        place = (side, np.arange(len(low))[which])
        ends[place], values[place], poles[place] = x, at_x.value, at_x.poles
    return np.asarray(np.sqrt(ends[0]) * np.sqrt(ends[1]))


def _secant(ends: Floats, f: Floats, *, double: bool) -> Floats:
    """Return where the line through both ends is zero; NaN where there is none, (n,).

    Args:
        ends: Lower and upper ends, (2, n).
        f: Values there, (2, n): negative, and not negative.
        double: Whether to go twice as far from the end at which the value is closer to zero.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        length = f * (ends[1] - ends[0]) / (f[1] - f[0])
        nearer = np.where(-f[0] < f[1], 0, 1)[None]
        start = np.take_along_axis(ends, nearer, 0)[0]
        x = start - (2 if double else 1) * np.take_along_axis(length, nearer, 0)[0]
        inside = ends[0] * WIDTH / 4
        return np.clip(x, ends[0] + inside, ends[1] - inside)
