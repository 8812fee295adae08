"""Random draws of labeled examples, a number of each class."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 10
"""Random draws of labeled examples for each number of labels."""
SEED = 15
"""Of the draws, together with the trial and the draw."""


def drawn(target: NDArray[np.integer[Any]], labels: int, trial: int) -> list[NDArray[np.intp]]:
    """Return the positions of the labeled examples of every draw; none if a class has too few.

    Draws are nested: the examples with fewer labels are among those with more.

    Args:
        target: Classes (n,) of the examples to draw from.
        labels: Number of labeled examples of each class that occurs.
        trial: Trial; all layers, members and λs of a trial have the same draws.
    """
    classes, counts = np.unique(target, return_counts=True)
    if counts.min() < labels:
        return []
    several = []
    for draw in range(DRAWS):
        order = np.random.default_rng([SEED, trial, draw]).permutation(len(target))
        chosen = [order[target[order] == each][:labels] for each in classes]
        several.append(np.sort(np.concatenate(chosen)))
    return several
