"""H-score: variation of features between classes relative to all of it.

Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer Learning", ICIP
2019: H(f) = tr(cov(f)⁻¹ cov(E[f | y])). With more features than examples the covariance must be
shrunk: Ibrahim, Ponomareva and Mazumder, "Newer is not always better: Rethinking transferability
metrics, their peculiarities, stability and performance", ECML PKDD 2022, arXiv 2110.06893.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

RANK = 1e-12
"""Eigenvalues of the covariance below this fraction of the largest are 0."""


def h_score(
    features: NDArray[np.floating[Any]],
    target: NDArray[np.integer[Any]],
    shrinkage: float | None = None,
) -> float:
    """Return the H-score of features (n, d) for classes (n,); larger is better.

    With S the covariance (divided by n), m = tr S / d and shrinkage s, it is
    tr(((1 − s) S + s m I)⁻¹ (1 − s) B) for the covariance B of the class means. B is shrunk too,
    so that the score stays a share of S: it is at most the number of classes minus 1. Without
    shrinkage and for a singular S, the inverse is the pseudo-inverse, and the score is invariant to
    invertible affine maps of the features.

    Args:
        features: Finite.
        target: Classes.
        shrinkage: 0 to 1; None for that of Ledoit and Wolf (2004).

    Returns:
        NaN for constant features.
    """
    z = np.asarray(features, np.float64)
    z = z - z.mean(0)
    largest = np.abs(z).max(initial=0)
    if not largest > 0:
        return float("nan")
    z = z / largest
    s = ledoit_wolf_shrinkage(z, assume_centered=True) if shrinkage is None else shrinkage
    left, singular, _ = np.linalg.svd(z, full_matrices=False)
    variances = singular**2 / len(z)
    kept = variances > RANK * variances[0]
    shrunk = (1 - s) * variances[kept] + s * variances.sum() / z.shape[1]
    between = np.zeros(int(kept.sum()))
    for each in np.unique(target):
        own = target == each
        between += own.mean() * (left[own][:, kept] * singular[kept]).mean(0) ** 2
    return float(((1 - s) * between / shrunk).sum())
