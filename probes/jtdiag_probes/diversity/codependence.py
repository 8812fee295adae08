"""Diversity that is no knowledge: offsets that cancel, and members that need each other.

All functions take logits (M, n, K) of M members on n examples and work in float64. Source: Jeffares
et al. 2023, in the form for averaged logits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from jtdiag_probes.shared.decomposition import cross_entropy

Floats = NDArray[np.floating]

AT_ONCE = 256
"""Examples for which members are dropped at once, which bounds the memory for masks."""


def diversity(logits: Floats) -> Floats:
    """Return mean_j lse(η_j) − lse(η̄) of every example, (n,): the diversity without labels."""
    return np.asarray(logsumexp(logits, -1).mean(0) - logsumexp(logits.mean(0), -1))


def centred(logits: Floats) -> Floats:
    """Return logits whose mean over classes is 0, which says the same; in float64."""
    found = logits.astype(np.float64)
    found -= found.mean(-1, keepdims=True)
    return found


def offsets(mean_logits: Floats) -> Floats:
    """Return b_j, (M, 1, K): a member's mean centred logits minus the mean over members.

    They add up to 0 over members, so logits without them make the same ensemble.

    Args:
        mean_logits: Centred logits of every member, mean over examples, (M, K).
    """
    return (mean_logits - mean_logits.mean(0))[:, None]


def kept_of(members: int, fraction: float) -> int:
    """Return how many members are left when int(M · fraction) are dropped."""
    return members - int(members * fraction)


def predicted_rise(diversity: Floats, members: int, kept: int) -> Floats:
    """Return (M−m)/(m(M−1)) · DIV: the mean rise of the loss when m of M members are kept.

    Exact for squared error; for classes it is right to second order in the members' spread. 0 for
    one member, in nats.
    """
    if members == 1:
        return np.zeros_like(diversity)
    return diversity * (members - kept) / (kept * (members - 1))


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """Members dropped at random, anew for every example and repeat."""

    kept: tuple[int, ...]
    """Numbers of members that are kept, each 1 to M."""
    repeats: int

    def rises(
        self, logits: Floats, target: NDArray[np.integer], random: np.random.Generator
    ) -> Floats:
        """Return Σ over examples of loss(kept) − loss(all), (numbers kept, repeats), in nats.

        The generator is moved on by the same numbers for every example, so that chunks of
        examples, one after another, give what they would give together.
        """
        total = np.zeros((len(self.kept), self.repeats))
        for start in range(0, len(target), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            total += self._rises(logits[:, part], target[part], random)
        return total

    def _rises(
        self, logits: Floats, target: NDArray[np.integer], random: np.random.Generator
    ) -> Floats:
        members, examples, _ = logits.shape
        lot = random.random((examples, self.repeats, members))
        in_order = np.sort(lot, axis=-1)
        whole = cross_entropy(logits.mean(0), target)
        by_example = np.ascontiguousarray(logits.transpose(1, 0, 2))  # (n, M, K)
        found = np.empty((len(self.kept), self.repeats))
        for i, kept in enumerate(self.kept):
            weight = (lot <= in_order[..., kept - 1 : kept]) / kept  # (n, repeats, M)
            mean = (weight @ by_example).transpose(1, 0, 2)  # (repeats, n, K)
            found[i] = (cross_entropy(mean, target) - whole).sum(1)
        return found
