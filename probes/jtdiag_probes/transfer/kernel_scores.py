"""Scores of features by their kernel: how near it is to the ideal one, pair by pair.

The kernel of two examples is the cosine of their features, K = ⟨f(x), f(x')⟩ / ‖f(x)‖ ‖f(x')‖. The
ideal kernel T is 1 for two examples of the same class and the lower limit a of K for others: 0 for
features that are never negative, else −1. As scores of a source for a target task: Duan, Yu and
Principe, "Modularizing Deep Learning via Pairwise Learning With Kernels", IEEE TNNLS 2022, arXiv
2005.05541. All are taken over pairs i < j: on the diagonal every kernel is right.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.similarity.cka import FEWEST, ROUNDING, u_centered

Matrix = NDArray[np.float64]


class KernelScores(NamedTuple):
    """Scores of features for some classes; larger is better."""

    alignment: float
    """⟨K, T⟩ / (‖K‖ ‖T‖), −1 to 1; NaN without a pair of the same class if a = 0."""
    centred_alignment: float
    """The same of K and T that are centered without their diagonals, −1 to 1; NaN if constant."""
    nmse: float
    """−mean (K − T)², at most 0."""


def kernel_scores(
    features: NDArray[np.floating[Any]], target: NDArray[np.integer[Any]]
) -> KernelScores:
    """Return the scores of features (n, d) for classes (n,); the limit a is that of the features.

    Centered alignment: Cortes, Mohri and Rostamizadeh, JMLR 13, 2012, here with the unbiased
    centering of Székely and Rizzo 2014, which leaves out the diagonal as well. It does not depend
    on a.
    """
    k = cosines(features)
    same = np.equal.outer(target, target)
    wanted = np.where(same, 1.0, 0.0 if features.min() >= 0 else -1.0)
    above = np.triu_indices(len(k), 1)
    difference = k[above] - wanted[above]
    return KernelScores(
        alignment=_cosine(k[above], wanted[above]),
        centred_alignment=_centred(k, same.astype(np.float64)),
        nmse=-float((difference * difference).mean()) if difference.size else float("nan"),
    )


def cosines(features: NDArray[np.floating[Any]]) -> Matrix:
    """Return the cosines (n, n) of features (n, d); 0 with a feature vector of 0."""
    z = np.asarray(features, np.float64)
    largest = np.abs(z).max(1, keepdims=True)
    z = z / np.where(largest > 0, largest, 1)  # so that no square overflows or becomes 0
    length = np.linalg.norm(z, axis=1, keepdims=True)
    z = z / np.where(length > 0, length, 1)
    return np.asarray(z @ z.T)


def _centred(a: Matrix, b: Matrix) -> float:
    if len(a) < FEWEST:
        return float("nan")
    centered = [u_centered(kernel) for kernel in (a, b)]
    if any(np.linalg.norm(c) <= ROUNDING * len(a) for c in centered):
        return float("nan")
    return _cosine(*(c.ravel() for c in centered))


def _cosine(a: Matrix, b: Matrix) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / length, -1, 1)) if length > 0 else float("nan")
