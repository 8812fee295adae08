"""The gradient of the joint-training loss, taken apart: what members share, and what is theirs.

By the outputs of member j the gradient of Eq. 4 (Webb et al. 2020) is

    g_j = (1/M) [ λ (q̄ − y) + (1−λ) (q_j − y) ] ,

whose mean over members is the consensus part, the same for all, and whose remainder, the
disagreement part ((1−λ)/M)(q_j − mean q), is what tells members apart. At λ = 1 the remainder is
0: every member is taught the same, whatever its own errors are.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

Floats = NDArray[np.floating]


def by_outputs(logits: Floats, target: NDArray[np.integer], lam: float) -> tuple[Floats, Floats]:
    """Return the consensus part (n, K) and the disagreement parts (M, n, K) of each gradient.

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
    """Return the mean over examples of ‖consensus‖² and of ‖disagreement_j‖², the latter (M,)."""
    consensus, own = by_outputs(logits, target, lam)
    return float((consensus**2).sum(-1).mean()), (own**2).sum(-1).mean(-1)


def cosines(one: Floats, other: Floats) -> Floats:
    """Return the cosine between rows (M, P), (M,); NaN where either is 0."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one * other).sum(1) / lengths)


def shares(rows: Floats) -> Floats:
    """Return each row's share of the squared norm of all, (M,); NaN where all are 0."""
    squares = (rows**2).sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(squares / squares.sum())
