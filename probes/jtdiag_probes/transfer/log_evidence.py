"""LogME: the log evidence of a Bayesian linear regression of the classes on features.

You, Liu, Wang and Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning",
ICML 2021, arXiv 2102.11005. A one-hot column y of the labels is N(F w, I/β) with w ~ N(0, I/α), so
that y ~ N(0, I/β + F Fᵀ/α), and α and β maximize this density. Computed from that density in the
basis of the singular vectors of F. The public code leaves out (D − k)/2 log α for D features of
rank k < D, so that its values are not comparable between features of different numbers.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
DECADES = 10.0
"""β/α is searched up to this many powers of ten from 1 over the largest eigenvalue of F Fᵀ."""
GRID = 81
"""Values of log β/α that are tried before the best is refined."""
ACCURACY = 1e-9
"""Of log β/α."""
RANK = 1e-12
"""Eigenvalues of F Fᵀ below this fraction of the largest are 0."""


class Evidence(NamedTuple):
    """Of one column of the labels."""

    per_example: float
    """Log density of the column divided by n, in nats."""
    alpha: float
    """Precision of the weights."""
    beta: float
    """Precision of the noise."""


def log_evidence(features: NDArray[np.floating[Any]], target: NDArray[np.integer[Any]]) -> float:
    """Return LogME of features (n, d) for classes (n,), in nats per example; larger is better.

    The mean over the one-hot columns of the classes that occur. NaN if all features are 0, or there
    is a single class.
    """
    classes = np.unique(target)
    if len(classes) < 2 or not np.any(features):
        return float("nan")
    basis, eigenvalues = _basis(features)
    columns = [(target == each).astype(np.float64) for each in classes]
    return float(np.mean([_evidence(basis, eigenvalues, y).per_example for y in columns]))


def evidence(features: NDArray[np.floating[Any]], y: Floats) -> Evidence:
    """Return the largest log evidence of one column y (n,), not all 0, for features (n, d)."""
    return _evidence(*_basis(features), y)


def _basis(features: NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Return eigenvectors (n, k) and eigenvalues (k,) of F Fᵀ that are not 0."""
    left, singular, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    kept = singular**2 > RANK * singular[0] ** 2
    return left[:, kept], singular[kept] ** 2


def _evidence(basis: Floats, eigenvalues: Floats, y: Floats) -> Evidence:
    """Maximize over β/α = r; at each r the best 1/β is the mean square of y in units of it."""
    squares = (basis.T @ y) ** 2
    rest = max(float(y @ y - squares.sum()), 0.0)
    center = -np.log(eigenvalues.max())
    grid = center + np.log(10) * np.linspace(-DECADES, DECADES, GRID)
    values, _ = _density(grid, eigenvalues, squares, rest, len(y))
    best = int(np.argmax(values))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    minimum = minimize_scalar(
        lambda r: -_density(r, eigenvalues, squares, rest, len(y))[0],
        bounds=bounds,
        method="bounded",
        options={"xatol": ACCURACY},
    )
    log_ratio = minimum.x if -minimum.fun >= values[best] else grid[best]
    density, noise = _density(log_ratio, eigenvalues, squares, rest, len(y))
    alpha = float(np.exp(-log_ratio) / noise)
    return Evidence(float(density) / len(y), alpha, 1 / float(noise))


def _density(
    log_ratio: Floats | float, eigenvalues: Floats, squares: Floats, rest: float, count: int
) -> tuple[Floats, Floats]:
    """Return log N(y; 0, (I + r F Fᵀ)/β) at the best β, and 1/β, for every log r (...)."""
    spread = 1 + np.exp(log_ratio)[..., None] * eigenvalues
    noise = ((squares / spread).sum(-1) + rest) / count
    density = -0.5 * (count * (np.log(2 * np.pi * noise) + 1) + np.log(spread).sum(-1))
    return density, noise
