"""Modes of the ensemble's outputs, and each member's share of every mode, from K×K products.

With η̃_j (n, K) the centered logits of member j on all examples, η̃ their mean over members and

    η̃ = Σ_k σ_k u_k v_kᵀ

its singular value decomposition, the share of member j in mode k is c_jk = u_kᵀ η̃_j v_k / (M σ_k),
and Σ_j c_jk = 1. Since u_k = η̃ v_k / σ_k, it is v_kᵀ (η̃ᵀη̃_j) v_k / (M σ_k²): only the products
η̃ᵀη̃_j (K, K) are needed, which are sums over examples and can be accumulated block by block.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

SMALLEST = 1e-5
"""Smallest singular value of a mode, relative to the largest. The products hold squares, in which
smaller ones drown in float64's rounding errors."""


@dataclass(frozen=True, kw_only=True)
class Modes:
    """Modes of an ensemble, from the largest to the smallest; NaN where there are fewer."""

    singular_value: Floats
    """σ_k, (modes,), in nats."""
    share: Floats
    """c_jk, (modes, M); each row sums to 1."""
    directions: Floats
    """v_k, (modes, K), of length 1."""

    @property
    def weight(self) -> Floats:
        """Each mode's part of Σ_k σ_k², (modes,)."""
        squares = self.singular_value**2
        return np.asarray(squares / np.nansum(squares))


def products(logits: Floats) -> Floats:
    """Return η̃ᵀη̃_j of every member, (M, K, K), from centered logits (M, n, K)."""
    mean = logits.mean(0)
    return np.asarray(mean.T @ logits)


def of_products(cross: Floats, count: int, smallest: float = SMALLEST) -> Modes:
    """Return the modes of the sum over examples of `products`.

    Args:
        cross: (M, K, K).
        count: Number of modes to return; there is no more than one per output.
        smallest: Modes with a smaller σ, relative to the largest, are beneath the precision of the
            logits and left out, as NaN.
    """
    members, outputs, _ = cross.shape
    value, share = np.full(count, np.nan), np.full((count, members), np.nan)
    directions = np.full((count, outputs), np.nan)
    gram = cross.mean(0)
    if not np.isfinite(gram).all():
        return Modes(singular_value=value, share=share, directions=directions)
    squares, vectors = np.linalg.eigh((gram + gram.T) / 2)
    squares, vectors = squares[::-1][:count], vectors.T[::-1][:count]
    kept = (squares > smallest**2 * squares[0]) & (squares[0] > 0)
    rows, v = np.flatnonzero(kept), vectors[kept]
    value[rows], directions[rows] = np.sqrt(squares[kept]), v
    along = ((v @ cross) * v).sum(-1).T  # v_kᵀ (η̃ᵀη̃_j) v_k, (modes, M)
    share[rows] = along / (members * squares[kept, None])
    return Modes(singular_value=value, share=share, directions=directions)


def logit_share(cross: Floats) -> Floats:
    """Return each member's share of the ensemble's logits, (M,), from products (M, K, K).

    It is the mean of the member's mode shares, weighted by σ_k². NaN if all logits are 0, or if
    some are not finite.
    """
    traces = np.trace(cross, axis1=1, axis2=2)
    total = traces.sum()
    if not 0 < total < np.inf:
        return np.full(len(traces), np.nan)
    return np.asarray(traces / total)
