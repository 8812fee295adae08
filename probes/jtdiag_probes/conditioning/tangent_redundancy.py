"""Tangent redundancy: how far members can make the same changes of the outputs.

R = 1 − rank[J_1 … J_M]/Σ_j rank J_j, with J_j the Jacobian of a member's outputs with respect to
its weights. R is 0 if every member changes the outputs in different directions, and 1 − 1/M if all
change them in the same directions. Soft ranks are used: Σ x/(x+τ) over the eigenvalues x of a
kernel J_j J_jᵀ, and of the mean kernel for [J_1 … J_M]; τ is a share of the largest eigenvalue of
the mean kernel. Softmax shifts are excluded.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.stats import LEVEL, standard_error
from jtdiag.stats.intervals import quantile
from jtdiag_probes.conditioning.tangent_kernels import kernels_without_shifts
from jtdiag_probes.linalg import density
from jtdiag_probes.linalg.curvature_products import Tangents
from jtdiag_probes.linalg.lanczos import Krylov, lanczos, radau, ritz

Floats = NDArray[np.floating]

SOFT_RANK = 1e-3
"""τ as a fraction of the mean kernel's largest eigenvalue."""


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
    kernel = tangents.kernel(lambda u: u - u.mean(-1, keepdim=True))

    def of_members(u: Tensor) -> Tensor:
        return kernel(u.view(members, examples, classes)).reshape(members, -1)

    def of_all(u: Tensor) -> Tensor:
        return of_members(u.expand(members, -1).contiguous()).mean(0, keepdim=True)

    like = tangents.outputs.detach()
    starts = density.random_vectors(vectors, examples * classes, like, seed)
    starts = starts.view(vectors, examples, classes)
    # Shifts have no curvature; without them, vectors differ less.
    starts = (starts - starts.mean(-1, keepdim=True)).view(vectors, -1)
    together = [lanczos(of_all, start.unsqueeze(0), steps) for start in starts]
    threshold = share * max(float(ritz(krylov).values[-1]) for krylov in together)
    separate = [lanczos(of_members, start.repeat(members, 1), steps) for start in starts]
    return _ratio(
        np.array([_soft_rank(krylov, 0, threshold) for krylov in together]),
        np.array(
            [
                np.sum([_soft_rank(krylov, j, threshold) for j in range(members)], 0)
                for krylov in separate
            ]
        ),
        members,
    )


def _soft_rank(krylov: Krylov, run: int, threshold: float) -> tuple[float, float]:
    """Return lower and upper bounds on the soft rank seen by a vector, as a fraction of the size.

    x/(x+τ) is 1 − τ/(x+τ), of which the Gauss quadrature is a lower bound.
    """
    gauss = ritz(krylov, run)
    values, weights = radau(krylov, -1e-3 * threshold, run)
    low = float((weights * values / (values + threshold)).sum())
    high = float((gauss.weights * gauss.values / (gauss.values + threshold)).sum())
    return max(0.0, low), max(0.0, high)


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
