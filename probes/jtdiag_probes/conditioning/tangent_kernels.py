"""The members' tangent kernels J_j J_jᵀ, and how redundant they are."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag_probes.conditioning import output_curvature
from jtdiag_probes.linalg import density
from jtdiag_probes.linalg.curvature_products import Tangents
from jtdiag_probes.linalg.lanczos import Ritz, lanczos, ritz

Floats = NDArray[np.floating]

SOFT_RANK = 1e-3
"""τ of the soft rank Σ x/(x+τ), as a fraction of the mean kernel's largest eigenvalue."""


def kernels_without_shifts(tangents: Tangents) -> Floats:
    """Return every member's tangent kernel without softmax shifts, (M, n·(K−1), n·(K−1)).

    Each column takes one product for all members together.
    """
    members, examples, classes = tangents.outputs.shape
    basis = torch.from_numpy(output_curvature.without_shifts(classes)).to(tangents.outputs)
    product = tangents.kernel(lambda u: u)
    columns = []
    for example in range(examples):
        for direction in basis.T:
            u = torch.zeros_like(tangents.outputs)
            u[:, example] = direction
            columns.append((product(u).detach() @ basis).reshape(members, -1))
    kernels = torch.stack(columns, 2)
    return np.asarray(((kernels + kernels.mT) / 2).numpy())


def tangent_redundancy(
    tangents: Tangents, steps: int, vectors: int, share: float = SOFT_RANK
) -> tuple[float, float]:
    """Return R = 1 − rank[J_1 … J_M]/Σ_j rank J_j in soft ranks, and its standard error.

    R is 0 if every member changes the outputs in different directions, and 1 − 1/M if all change
    them in the same directions. The soft rank of a kernel is the sum of x/(x+τ) over its
    eigenvalues x, computed by Lanczos quadrature from random vectors; τ is `share` of the largest
    eigenvalue of the mean kernel, whose rank is that of [J_1 … J_M]. Softmax shifts are excluded.
    """
    members, examples, classes = tangents.outputs.shape
    kernel = tangents.kernel(lambda u: u - u.mean(-1, keepdim=True))

    def of_members(u: Tensor) -> Tensor:
        return kernel(u.view(members, examples, classes)).reshape(members, -1)

    def of_all(u: Tensor) -> Tensor:
        return of_members(u.expand(members, -1).contiguous()).mean(0, keepdim=True)

    like = tangents.outputs.detach()
    starts = density.random_vectors(vectors, examples * classes, like, seed=3)
    together = [ritz(lanczos(of_all, start.unsqueeze(0), steps)) for start in starts]
    threshold = share * max(float(quadrature.values[-1]) for quadrature in together)
    ratios = []
    for start, quadrature in zip(starts, together, strict=True):
        krylov = lanczos(of_members, start.repeat(members, 1), steps)
        separate = sum(_soft_rank(ritz(krylov, j), threshold) for j in range(members))
        ratios.append(1 - _soft_rank(quadrature, threshold) / separate)
    mean, error = density.mean_and_error(np.array(ratios))
    return float(mean), float(error)


def _soft_rank(quadrature: Ritz, threshold: float) -> float:
    """Return the soft rank as a fraction of the size."""
    values = quadrature.values.clamp(min=0)
    return float((quadrature.weights * values / (values + threshold)).sum())
