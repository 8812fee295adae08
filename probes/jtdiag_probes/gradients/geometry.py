"""Decompose the gradient of the joint loss into a common part and member-specific parts.

The gradient of Eq. 4 (Webb et al. 2020) with respect to the outputs of member j is

    g_j = (1/M) [ λ (q̄ − y) + (1−λ) (q_j − y) ] ,

Its mean over members is the consensus part, which is the same for all members. The remainder is
the disagreement part, ((1−λ)/M)(q_j − mean q). At λ = 1 the remainder is 0: every member receives
the same gradient, whatever its own errors are.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

Floats = NDArray[np.floating]


def by_outputs(logits: Floats, target: NDArray[np.integer], lam: float) -> tuple[Floats, Floats]:
    """Return the consensus part (n, K) and the disagreement parts (M, n, K) of the gradients.

    Args:
        logits: (M, n, K), in nats.
        target: Classes (n,).
        lam: λ in [0, 1].
    """
    members, examples, _ = logits.shape
    q = softmax(logits.astype(np.float64), axis=-1)
    mean = q.mean(0)
    ensemble = softmax(logits.mean(0, dtype=np.float64), axis=-1)
    consensus = lam * ensemble + (1 - lam) * mean
    consensus[np.arange(examples), target] -= 1
    return consensus / members, (1 - lam) / members * (q - mean)


def squared_norms(logits: Floats, target: NDArray[np.integer], lam: float) -> tuple[float, Floats]:
    """Return the means over examples of ‖consensus‖² and, by member (M,), of ‖disagreement_j‖²."""
    consensus, disagreement = by_outputs(logits, target, lam)
    return float((consensus**2).sum(-1).mean()), (disagreement**2).sum(-1).mean(-1)


def cosines(a: Floats, b: Floats) -> Floats:
    """Return the cosine similarity between rows (M, P) of two arrays, (M,); NaN for zero rows."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(1) / lengths)


def shares(rows: Floats) -> Floats:
    """Return each row's share of the total squared norm, (M,); NaN if all rows are zero."""
    squares = (rows**2).sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(squares / squares.sum())
