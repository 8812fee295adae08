"""What features keep of inputs and labels: normalized HSIC, variation, rank, dead units.

Formulas: normalized HSIC as in Fukumizu et al. 2007 (normalized cross-covariance, with a
regularizer ε), tr(R_a R_b) with R = K_c (K_c + ε n I)⁻¹. Public code calls other quantities by the
same name; here ε = 0.01, the kernel of features and inputs is exp(−d² / median of d²), and that of
labels is 1 for the same class and else 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.spatial.distance import pdist, squareform

EPSILON = 0.01
"""ε of the regularizer. With 1e-5, as in some public code, pure noise scores nearly 1."""
PERMUTATIONS = 20
"""Random permutations of the labels, for the value that features without information have."""

Matrix = NDArray[np.float64]


def regularized(kernel: Matrix, epsilon: float = EPSILON) -> Matrix:
    """Return R = K_c (K_c + ε n I)⁻¹ for a kernel matrix (n, n), centered first."""
    count = len(kernel)
    centered = kernel - kernel.mean(0) - kernel.mean(1)[:, None] + kernel.mean()
    shifted = centered + epsilon * count * np.eye(count)
    result: Matrix = solve(shifted, centered, assume_a="pos")
    return result


def of_features(features: NDArray[np.floating[Any]]) -> Matrix:
    """Return R of features (n, d), with the kernel exp(−d² / median of d²)."""
    squares = pdist(np.asarray(features, np.float64), "sqeuclidean")
    median = float(np.median(squares)) if squares.size else 0.0
    return regularized(np.exp(-squareform(squares) / (median if median > 0 else 1.0)))


def of_classes(target: NDArray[np.integer[Any]]) -> Matrix:
    """Return R of classes (n,), with the kernel 1 for the same class and 0 for different ones."""
    return regularized((target[:, None] == target).astype(np.float64))


def nhsic(a: Matrix, b: Matrix) -> float:
    """Return tr(R_a R_b) relative to tr(R_b R_b); NaN if b is constant."""
    own = float((b * b).sum())
    return float((a * b).sum()) / own if own > 0 else float("nan")


def permutations(b: Matrix, seed: int = 0) -> Matrix:
    """Return R (n, n) for random permutations of its examples, flat, (permutations, n²)."""
    random = np.random.default_rng(seed)
    orders = (random.permutation(len(b)) for _ in range(PERMUTATIONS))
    return np.stack([b[np.ix_(order, order)].ravel() for order in orders])


def permuted(a: Matrix, permutations_of_b: Matrix) -> float:
    """Return the mean of `nhsic` over `permutations` of the examples of b."""
    own = float((permutations_of_b[0] ** 2).sum())
    products = permutations_of_b @ a.ravel()
    return float(products.mean()) / own if own > 0 else float("nan")


def within_over_between(
    features: NDArray[np.floating[Any]], target: NDArray[np.integer[Any]]
) -> float:
    """Return the variance of features within classes over that between class means (traces).

    NaN if the class means do not differ.
    """
    z = np.asarray(features, np.float64)
    classes, index, counts = np.unique(target, return_inverse=True, return_counts=True)
    sums = np.zeros((len(classes), z.shape[1]))
    np.add.at(sums, index, z)
    means = sums / counts[:, None]
    between = float((counts[:, None] * (means - z.mean(0)) ** 2).sum())
    within = float(((z - means[index]) ** 2).sum())
    return within / between if between > 0 else float("nan")


def effective_rank(features: NDArray[np.floating[Any]]) -> float:
    """Return the participation ratio (Σλ)² / Σλ² of the eigenvalues of the covariance.

    1 if all variance is in one direction, d if it is equal in all; NaN for constant features.
    """
    z = np.asarray(features, np.float64)
    z = z - z.mean(0)
    gram = z @ z.T if z.shape[0] < z.shape[1] else z.T @ z
    squares = float((gram * gram).sum())
    return float(np.trace(gram)) ** 2 / squares if squares > 0 else float("nan")


def dead_units(features: NDArray[np.floating[Any]]) -> float:
    """Return the fraction of features that are the same for every example."""
    return float((np.ptp(features, axis=0) == 0).mean())


def dead_rows(features: NDArray[np.floating[Any]]) -> float:
    """Return the fraction of examples whose features are all 0, as behind a ReLU."""
    return float((features == 0).all(1).mean())
