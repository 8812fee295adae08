"""Scores of a source by the classes that it predicts: LEEP and NCE.

They see the outputs of a source and not its features, and need a source and a target with classes.
Both compare sources for one target, not targets.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def leep(probabilities: NDArray[np.floating[Any]], target: NDArray[np.integer[Any]]) -> float:
    """Return LEEP, the log expected empirical prediction, in nats; at most 0, larger is better.

    Nguyen, Hassner, Seeger and Archambeau, "LEEP: A New Measure to Evaluate Transferability of
    Learned Representations", ICML 2020, arXiv 2002.12462, Eq. 2: the mean log likelihood of the
    labels when z is drawn from the source's prediction, and y from the empirical P(y | z), which
    is estimated on the same examples.

    Args:
        probabilities: (n, Z), of the source's classes; rows sum to 1.
        target: Classes (n,).
    """
    theta = np.asarray(probabilities, np.float64)
    _, index = np.unique(target, return_inverse=True)
    joint = np.zeros((index.max() + 1, theta.shape[1]))
    np.add.at(joint, index, theta)
    total = joint.sum(0)
    given = joint / np.where(total > 0, total, 1)  # P(y | z)
    return float(np.log((given[index] * theta).sum(1)).mean())


def nce(votes: NDArray[np.integer[Any]], target: NDArray[np.integer[Any]]) -> float:
    """Return the negative conditional entropy −H(Y | Z), in nats; at most 0, larger is better.

    Tran, Nguyen and Hassner, "Transferability and Hardness of Supervised Classification Tasks",
    ICCV 2019, arXiv 1908.08142: the entropy of the empirical distribution of labels given votes.

    Args:
        votes: Classes (n,) that the source predicts.
        target: Classes (n,).
    """
    _, z = np.unique(votes, return_inverse=True)
    _, y = np.unique(target, return_inverse=True)
    joint = np.zeros((y.max() + 1, z.max() + 1))
    np.add.at(joint, (y, z), 1 / len(y))
    given = joint / joint.sum(0)
    occurring = joint > 0
    return float((joint[occurring] * np.log(given[occurring])).sum())
