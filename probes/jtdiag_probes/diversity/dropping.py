"""Constant offsets in the members' logits, and dropping members at random.

All functions take logits (M, n, K) of M members on n examples and compute in float64. Source:
Jeffares et al. 2023, in the form for averaged logits.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.decomposition import cross_entropy

Floats = NDArray[np.floating]

ROUNDING = 1e-9
"""Added before rounding down, since products such as 5 · 0.6 may be below a whole number."""
AT_ONCE = 256
"""Examples that are processed at once, which bounds the memory for masks."""


def diversity(logits: Floats) -> Floats:
    """Return mean_j KL(ensemble‖member) of every example, (n,): the diversity."""
    return np.asarray(ClassLogits(logits, np.zeros(logits.shape[1], int)).divergences.mean(0))


def centered(logits: Floats) -> Floats:
    """Return logits (..., K) with mean 0 over classes, in float64; predictions are unchanged."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.mean(-1, keepdims=True)
    return shifted


def offsets(mean_logits: Floats) -> Floats:
    """Return b_j, (M, 1, K): a member's mean centered logits minus the mean over members.

    They sum to 0 over members, so subtracting them does not change the ensemble.

    Args:
        mean_logits: Centered logits of every member, averaged over examples, (M, K).
    """
    return (mean_logits - mean_logits.mean(0))[:, None]


def kept_of(members: int, fraction: float) -> int:
    """Return how many members remain if ⌊M · fraction⌋ are dropped, but 1 to M − 1 of them.

    All of one.
    """
    dropped = min(max(1, math.floor(members * fraction + ROUNDING)), members - 1)
    return members - dropped


def predicted_rise(diversity: Floats, members: int, kept: int) -> Floats:
    """Return (M−m)/(m(M−1)) · DIV: the mean increase of the loss if m of M members are kept.

    Exact for squared error; for classes, correct to second order in the members' spread. In nats;
    0 for one member.
    """
    if members == 1:
        return np.zeros_like(diversity)
    return diversity * (members - kept) / (kept * (members - 1))


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """Drop random members, drawn independently for every example and repeat."""

    kept: tuple[int, ...]
    """Numbers of kept members, each 1 to M."""
    repeats: int

    def rises(
        self, logits: Floats, target: NDArray[np.integer], random: np.random.Generator
    ) -> Floats:
        """Return Σ over examples of loss(kept) − loss(all), (numbers kept, repeats), in nats.

        The generator draws the same amount of numbers for every example, so splitting the examples
        into chunks does not change the result.
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
        priority = random.random((examples, self.repeats, members))
        in_order = np.sort(priority, axis=-1)
        full_loss = cross_entropy(logits.mean(0), target)
        by_example = np.ascontiguousarray(logits.transpose(1, 0, 2))  # (n, M, K)
        rises = np.empty((len(self.kept), self.repeats))
        for i, kept in enumerate(self.kept):
            weight = (priority <= in_order[..., kept - 1 : kept]) / kept  # (n, repeats, M)
            mean = (weight @ by_example).transpose(1, 0, 2)  # (repeats, n, K)
            rises[i] = (cross_entropy(mean, target) - full_loss).sum(1)
        return rises
