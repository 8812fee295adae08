"""Tangent redundancy: how far members can make the same changes of the outputs.

R = 1 − rank[J_1 … J_M]/Σ_j rank J_j, with J_j the Jacobian of a member's outputs with respect to
its weights. R is 0 if every member changes the outputs in different directions, and 1 − 1/M if all
change them in the same directions. Soft ranks are used: Σ x/(x+τ) over the eigenvalues x of a
kernel J_j J_jᵀ, and of the mean kernel for [J_1 … J_M]; τ is a share of the largest eigenvalue of
the mean kernel. Softmax shifts are excluded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.stats import LEVEL, standard_error
from jtdiag.stats.intervals import quantile
from jtdiag_probes.conditioning.tangent_kernels import kernels_without_shifts
from jtdiag_probes.linalg import density
from jtdiag_probes.linalg.curvature_products import Tangents
from jtdiag_probes.linalg.lanczos import Krylov, inverse_bounds, lanczos, ritz

Floats = NDArray[np.floating]

SOFT_RANK = 1e-3
"""τ as a fraction of the mean kernel's largest eigenvalue."""

ROUNDING = 0.02
"""Largest error of a product in single precision as a fraction of τ; with more, double is used."""


@dataclass(frozen=True, kw_only=True)
class Redundancy:
    """R with its numerical uncertainty; the interval is a single point where R is exact."""

    value: float
    se: float
    """Standard error over random vectors; 0 where R is exact."""
    quadrature: float
    """Bound on the error of R because Lanczos stops after a number of steps."""
    low: float
    """95 % interval: Student's over random vectors, extended by `quadrature`."""
    high: float


def tangent_redundancy(
    tangents: Tangents, steps: int, vectors: int, *, share: float = SOFT_RANK, seed: int = 3
) -> Redundancy:
    """Return R: exact where this takes no more products than the estimate, else estimated.

    Args:
        tangents: Linearized members.
        steps: Lanczos steps for each random vector.
        vectors: Number of random vectors, at least 2.
        share: τ as a fraction of the mean kernel's largest eigenvalue.
        seed: Seed of the random vectors.
    """
    _, examples, classes = tangents.outputs.shape
    if examples * (classes - 1) <= 2 * steps * vectors:
        return _exactly(kernels_without_shifts(tangents), share)
    return _estimated(tangents, steps, vectors, share, seed)


def _exactly(kernels: Floats, share: float) -> Redundancy:
    together = np.linalg.eigvalsh(kernels.mean(0)).clip(0)
    each = np.linalg.eigvalsh(kernels).clip(0)
    threshold = share * together[-1]
    value = 1 - float((together / (together + threshold)).sum() / (each / (each + threshold)).sum())
    return Redundancy(value=value, se=0.0, quadrature=0.0, low=value, high=value)


def _estimated(tangents: Tangents, steps: int, vectors: int, share: float, seed: int) -> Redundancy:
    """Estimate R from random vectors, by Lanczos quadrature with bounds."""
    members, examples, classes = tangents.outputs.shape
    like = tangents.outputs.detach()
    starts = density.random_vectors(vectors, examples * classes, like, seed)
    starts = _without_shifts(starts.view(vectors, examples, classes))
    # In the order in which outputs are in memory, so that products need no copies.
    starts = starts.mT.reshape(vectors, -1)
    kernel = _kernel(tangents)

    def of_all(u: Tensor) -> Tensor:
        return kernel(u.expand(members, -1)).mean(0, keepdim=True)

    together = [lanczos(of_all, start.unsqueeze(0), steps) for start in starts]
    threshold = share * max(float(ritz(krylov).values[-1]) for krylov in together)
    smaller = tangents.size // members < examples * classes
    of_members = _by_weights if smaller else _by_outputs
    return _ratio(
        np.array([_soft_ranks(krylov, threshold)[0] for krylov in together]),
        np.array([of_members(tangents, start, steps, threshold).sum(0) for start in starts]),
        members,
    )


def is_precise(single: Tangents, double: Tangents, share: float = SOFT_RANK, seed: int = 3) -> bool:
    """Return whether products in single precision are precise enough for the soft ranks.

    Compared for the vectors that a product with each kernel makes of a random one, in which its
    largest eigenvalues prevail: rounding errors are theirs, and must be small beside τ.
    """
    like = double.outputs.detach()
    start = density.random_vectors(1, like[0].numel(), like, seed).expand(len(like), -1)
    exact, rounded = _kernel(double), _kernel(single)
    moved = exact(start)
    unit = moved / moved.norm(dim=1, keepdim=True).clamp(min=torch.finfo(like.dtype).tiny)
    error = (rounded(unit.to(single.outputs)) - exact(unit)).norm(dim=1).max()
    together = moved.mean(0, keepdim=True)
    together = (together / together.norm()).expand_as(moved)
    threshold = share * exact(together).mean(0).norm()
    return bool(error <= ROUNDING * threshold)


def _without_shifts(u: Tensor) -> Tensor:
    return u - u.mean(-1, keepdim=True)


def _by_example(u: Tensor, tangents: Tangents) -> Tensor:
    """Return vectors (B, K·n) as outputs (B, n, K)."""
    _, examples, classes = tangents.outputs.shape
    return u.view(-1, classes, examples).mT


def _kernel(tangents: Tangents) -> Callable[[Tensor], Tensor]:
    """Return the product with J_j J_jᵀ without shifts, for vectors (M, K·n) without shifts."""

    def product(u: Tensor) -> Tensor:
        moved = tangents.push(tangents.pull(_by_example(u, tangents)))
        return _without_shifts(moved).mT.reshape(tangents.members, -1)

    return product


def _by_outputs(tangents: Tangents, start: Tensor, steps: int, threshold: float) -> Floats:
    """Return bounds on every member's soft rank seen by a vector (K·n,), (M, 2)."""
    starts = start.repeat(tangents.members, 1)
    return _soft_ranks(lanczos(_kernel(tangents), starts, steps), threshold)


def _by_weights(tangents: Tangents, start: Tensor, steps: int, threshold: float) -> Floats:
    """Return the same from J_jᵀJ_j, which is smaller than J_j J_jᵀ for small members.

    uᵀ K(K+τ)⁻¹u with K = JJᵀ is bᵀ(JᵀJ+τ)⁻¹b with b = Jᵀu.
    """
    members = tangents.members

    def product(v: Tensor) -> Tensor:
        return tangents.pull(_without_shifts(tangents.push(v.reshape(-1)))).view(members, -1)

    u = _by_example(start.expand(members, -1), tangents)
    pulled = tangents.pull(u).view(members, -1)
    squares = (pulled.double().norm(dim=1) / start.double().norm()) ** 2
    pulled[squares == 0] = 1.0  # a start vector is not zero; this one counts nothing
    bounds = inverse_bounds(lanczos(product, pulled, steps), threshold)
    return np.asarray((squares[:, None] * bounds).clamp(min=0).numpy())


def _soft_ranks(krylov: Krylov, threshold: float) -> Floats:
    """Return bounds on the soft rank that each start vector sees, (B, 2), divided by the size.

    x/(x+τ) is 1 − τ/(x+τ).
    """
    missing = threshold * inverse_bounds(krylov, threshold)
    return np.asarray((1 - missing).flip(1).clamp(min=0).numpy())


def _ratio(together: Floats, separate: Floats, members: int) -> Redundancy:
    """Return R from bounds on soft ranks by vector, (vectors, 2) each.

    The ratio of means, with the standard error of its linearization.
    """
    rank, ranks = together.mean(1), separate.mean(1)
    ratio = rank.mean() / ranks.mean()
    error = float(standard_error((rank - ratio * ranks) / ranks.mean()))
    least = together[:, 0].mean() / separate[:, 1].mean()
    most = together[:, 1].mean() / separate[:, 0].mean()
    reach = quantile((1 - LEVEL) / 2, len(rank) - 1) * error
    return Redundancy(
        value=float(1 - ratio),
        se=error,
        quadrature=float(max(most - ratio, ratio - least)),
        low=float(max(0.0, 1 - most - reach)),
        high=float(min(1 - 1 / members, 1 - least + reach)),
    )
