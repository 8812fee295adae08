"""Curvature of the joint-training loss by the weights, exactly, on a few examples.

The eigenvalues of the Gauss-Newton matrix JᵀRJ that are not zero are those of the pencil
(R, K⁻¹) between outputs, with K = blkdiag(J_j J_jᵀ) the members' tangent kernels. That is again
one block for each member with a common coupling, so both ends of its spectrum are found exactly
(`coupled_blocks`), however many weights there are.

K⁻¹ᐟ²-wise the matrix of fewer examples is a principal submatrix of that of more (but for the
1/n of the mean, which is the same for all of it), so by Cauchy's interlacing its condition number
is a lower bound of theirs.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from jtdiag_probes.conditioning.output_curvature import Curvature

Floats = NDArray[np.floating]

LEAST_PIVOT = 1e-12
"""Kernels whose smallest eigenvalue is below this, relative to the largest, are singular."""


def through_weights(curvature: Curvature, kernels: Floats) -> Curvature | None:
    """Return the curvature of n examples by the weights, as one problem of n·d coordinates.

    Args:
        curvature: By the outputs of n examples, in d coordinates without shifts.
        kernels: J_j J_jᵀ in these coordinates, example-major, (M, n·d, n·d).

    Returns:
        None where some member cannot move the outputs of these examples independently: then
        the Gauss-Newton matrix of its outputs is singular at every λ.
    """
    examples = len(curvature.members)
    ends = np.linalg.eigvalsh(kernels)
    if curvature.singular.any() or not np.all(ends[:, 0] > LEAST_PIVOT * ends[:, -1]):
        return None
    lift = np.linalg.cholesky(kernels)
    own = _diagonal(np.moveaxis(curvature.members, 1, 0)) / examples
    own_inverse = _diagonal(np.moveaxis(curvature.members_inverse, 1, 0)) * examples
    half = np.linalg.solve(lift, own_inverse)
    return Curvature(
        members=(np.swapaxes(lift, 1, 2) @ own @ lift)[None],
        members_inverse=np.linalg.solve(lift, np.swapaxes(half, 1, 2))[None],
        ensemble_root=block_diag(*curvature.ensemble_root)[None] / np.sqrt(examples),
        ensemble_inverse=block_diag(*curvature.ensemble_inverse)[None] * examples,
        singular=np.zeros(1, dtype=bool),
        lift=lift[None],
    )


def _diagonal(blocks: Floats) -> Floats:
    """Return block-diagonal matrices (M, n·d, n·d) of blocks (M, n, d, d)."""
    return np.stack([block_diag(*of_member) for of_member in blocks])


def cross_share(curvature: Curvature, kernels: Floats, lam: float) -> float:
    """Return the share of the Gauss-Newton matrix, in squared Frobenius norm, between members.

    Block (j, k) is (λ/M²) J_jᵀ Σ̄ J_k, so its squared norm is (λ/M²)² tr(K_j Σ̄ K_k Σ̄); between
    members this is also the Hessian's block, which has no further term there.
    """
    members, examples = len(kernels), len(curvature.members)
    root = block_diag(*curvature.ensemble_root)
    shared = lam / members**2 * root @ root.T / examples
    own = (1 - lam) / members * _diagonal(np.moveaxis(curvature.members, 1, 0)) / examples
    kernels = kernels / (np.abs(kernels).max() or 1.0)  # squares of diverged members' overflow
    moved = kernels @ shared
    total = moved.sum(0)
    between = np.sum(total * total.T) - np.sum(moved * np.swapaxes(moved, 1, 2))
    within = kernels @ (shared + own)
    return float(between / (between + np.sum(within * np.swapaxes(within, 1, 2))))
