"""Arithmetic on the votes of members.

A member votes for the class with its largest logit, the first one if there are ties. Votes (n, K)
count, for each of n examples, how many of the M members vote for each class.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Votes = NDArray[np.int64]


def wrong_share(votes: Votes, target: NDArray[np.int64]) -> Floats:
    """Return W, the fraction of members that are wrong, for each example, (n,).

    Its mean is the mean error of the members. The mean of its square is the tandem loss: how often
    two members, drawn with replacement, are both wrong (Ortega et al. 2022).
    """
    right = np.take_along_axis(votes, target[:, None], axis=-1)[:, 0]
    return 1 - right / votes.sum(-1)


def disagreement(votes: Votes) -> Floats:
    """Return how often two different members disagree, (n,), 0 to 1; NaN for a single member."""
    members = votes.sum(-1)
    if (members < 2).any():
        return np.full(len(votes), np.nan)
    return 1 - (votes * (votes - 1)).sum(-1) / (members * (members - 1))


def majority_wrong(votes: Votes, target: NDArray[np.int64]) -> Floats:
    """Return the probability that the majority is wrong, (n,); ties are broken at random."""
    most = votes == votes.max(-1, keepdims=True)
    right = np.take_along_axis(most, target[:, None], axis=-1)[:, 0]
    return 1 - right / most.sum(-1)


def drawn_majority(votes: Votes, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the class with the most votes, (n,); ties are drawn, with equal probabilities."""
    return (votes + random.random(votes.shape)).argmax(-1)
