"""What a source is worth for a target task: the error of a new head, and scores without it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.labels.draws import drawn
from jtdiag_probes.layers import linear_probe
from jtdiag_probes.transfer.class_scores import leep, nce
from jtdiag_probes.transfer.h_score import h_score
from jtdiag_probes.transfer.kernel_scores import kernel_scores
from jtdiag_probes.transfer.log_evidence import log_evidence

STRENGTH = 0.1
"""scikit-learn's C of every head, for standardized features."""
SHOTS = 20
"""Labeled examples of a class for the score of a head with few labels."""
DRAWS = 5
"""Random draws of them."""
SCORES = ("AL", "centred AL", "NMSE", "H-score", "LogME", "LEEP", "NCE", "few labels")
"""Names of the scores in the order of `scores`; larger is better for all."""

Floats = NDArray[np.float64]
Classes = NDArray[np.integer[Any]]


class Task(NamedTuple):
    """Features of a source on the examples of one task."""

    train: Floats
    """(n, d)"""
    target: Classes
    """(n,)"""
    held_out: Floats
    """(m, d)"""
    truth: Classes
    """(m,)"""


def head(task: Task) -> tuple[float, float]:
    """Return error and loss (nats) of a new head on the held-out examples; NaN if it has none."""
    scaled = linear_probe.standardized(task.train, task.held_out)
    if scaled is None:
        return float("nan"), float("nan")
    fitted = linear_probe.evaluate_with((scaled[0], task.target), (scaled[1], task.truth), STRENGTH)
    return fitted.error, fitted.loss


def scores(task: Task, probabilities: Floats, trial: int) -> Floats:
    """Return `SCORES` of a source, (8,), from the training examples of a task alone.

    Args:
        task: Its held-out examples are not used.
        probabilities: (n, Z), of the source's classes, for the training examples.
        trial: Trial, of the draws of few labels.
    """
    z, target = task.train, task.target
    if not np.isfinite(z).all() or not np.isfinite(probabilities).all():
        return np.full(len(SCORES), np.nan)
    of_classes = leep(probabilities, target), nce(probabilities.argmax(1), target)
    of_features = (*kernel_scores(z, target), h_score(z, target), log_evidence(z, target))
    return np.array([*of_features, *of_classes, -_error_of_few(z, target, trial)])


def _error_of_few(z: Floats, target: Classes, trial: int) -> float:
    """Return the mean error of heads fitted to few of the examples, on the others.

    NaN if a class has no more examples than that, or no feature varies.
    """
    draws = drawn(target, SHOTS, trial)[:DRAWS]
    scaled = linear_probe.standardized(z)
    if not draws or scaled is None:
        return float("nan")
    errors = []
    for few in draws:
        rest = np.setdiff1d(np.arange(len(target)), few)
        if len(np.unique(target[rest])) < len(np.unique(target)):
            return float("nan")
        fitted, others = ((scaled[0][part], target[part]) for part in (few, rest))
        errors.append(linear_probe.error_with(fitted, others, STRENGTH))
    return float(np.mean(errors))
