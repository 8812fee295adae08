"""Exact curvature of the joint loss with respect to the weights, on a few examples.

The nonzero eigenvalues of the Gauss-Newton matrix JᵀRJ are those of the pencil (R, K⁻¹) on
outputs, with K = blkdiag(J_j J_jᵀ) the members' tangent kernels. This matrix again has one block
per member and a common coupling, so both ends of its spectrum can be computed exactly
(`coupled_blocks`) for any number of weights.

Up to the factor 1/n of the mean, the matrix of fewer examples is a principal submatrix of that of
more examples, so by Cauchy's interlacing theorem its condition number is a lower bound.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from jtdiag_probes.conditioning.output_curvature import Curvature

Floats = NDArray[np.floating]

LEAST_PIVOT = 1e-12
"""A kernel is singular if its smallest eigenvalue is below this fraction of the largest."""


def through_weights(curvature: Curvature, kernels: Floats) -> Curvature | None:
    """Return the curvature of n examples with respect to the weights, in n·d coordinates.

    Args:
        curvature: With respect to the outputs of n examples, in d coordinates without shifts.
        kernels: J_j J_jᵀ in these coordinates, example-major, (M, n·d, n·d).

    Returns:
        None if some member cannot change the outputs of these examples independently; the
        Gauss-Newton matrix of its outputs is then singular at every λ.
    """
    examples = len(curvature.members)
    ends = np.linalg.eigvalsh(kernels)
    if curvature.undefined.any() or not np.all(ends[:, 0] > LEAST_PIVOT * ends[:, -1]):
        return None
    lift = np.linalg.cholesky(kernels)
    blocks = _diagonal(np.moveaxis(curvature.members, 1, 0)) / examples
    inverse_blocks = _diagonal(np.moveaxis(curvature.members_inverse, 1, 0)) * examples
    half = np.linalg.solve(lift, inverse_blocks)
    return Curvature(
        members=(np.swapaxes(lift, 1, 2) @ blocks @ lift)[None],
        members_inverse=np.linalg.solve(lift, np.swapaxes(half, 1, 2))[None],
        ensemble_root=block_diag(*curvature.ensemble_root)[None] / np.sqrt(examples),
        ensemble_inverse=block_diag(*curvature.ensemble_inverse)[None] * examples,
        members_singular=np.array([curvature.members_singular.any()]),
        ensemble_singular=np.array([curvature.ensemble_singular.any()]),
        undefined=np.zeros(1, dtype=bool),
        lift=lift[None],
    )


def _diagonal(blocks: Floats) -> Floats:
    """Return block-diagonal matrices (M, n·d, n·d) of blocks (M, n, d, d)."""
    return np.stack([block_diag(*of_member) for of_member in blocks])


def cross_share(curvature: Curvature, kernels: Floats, lam: float) -> float:
    """Return the share of the off-diagonal member blocks in the Gauss-Newton matrix's squared norm.

    Block (j, k) is (λ/M²) J_jᵀ Σ̄ J_k, so its squared Frobenius norm is (λ/M²)² tr(K_j Σ̄ K_k Σ̄).
    Between members it equals the block of the Hessian, which has no further term there.
    """
    members, examples = len(kernels), len(curvature.members)
    root = block_diag(*curvature.ensemble_root)
    shared = lam / members**2 * root @ root.T / examples
    blocks = (1 - lam) / members * _diagonal(np.moveaxis(curvature.members, 1, 0)) / examples
    kernels = kernels / (np.abs(kernels).max() or 1.0)  # avoids overflow for diverged members
    moved = kernels @ shared
    total = moved.sum(0)
    between = np.sum(total * total.T) - np.sum(moved * np.swapaxes(moved, 1, 2))
    within = kernels @ (shared + blocks)
    return float(between / (between + np.sum(within * np.swapaxes(within, 1, 2))))
