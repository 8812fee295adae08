"""Errors of members with one module set back to an earlier epoch (Zhang, Bengio, Singer 2022)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.families import combining
from jtdiag.replay import Replay
from jtdiag.store.run import OutputBlock
from jtdiag_probes.modules import batch_statistics
from jtdiag_probes.shared import class_logits
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.outputs import pieces

BLOCK = 500
"""Examples whose outputs are computed together."""
Wrong = NDArray[np.floating[Any]] | NDArray[np.bool_]


@dataclass(frozen=True)
class Errors:
    """Fractions of wrong predictions."""

    member: NDArray[np.float64]
    """(M,)"""
    ensemble: float


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What rewound members are evaluated on."""

    x: Tensor
    """Test examples (n, …)."""
    target: Tensor
    """(n,)"""
    positions: NDArray[np.intp]
    """Positions of the test examples in their split, (n,)."""
    training: Tensor
    """Training examples (k, …) for the statistics of BatchNorm."""


def rewound(end: Replay, earlier: Replay, tensors: Iterable[str]) -> dict[str, Tensor]:
    """Return the weights at the end, with some of them as they were earlier."""
    return {**end.weights, **{name: earlier.weights[name] for name in tensors}}


def with_and_without(
    replay: Replay, weights: Mapping[str, Tensor], examples: Examples
) -> tuple[Errors, Errors]:
    """Return errors with the statistics of BatchNorm among the weights, and estimated again.

    They are the same without BatchNorm.
    """
    as_given = errors(replay, weights, examples)
    if not batch_statistics.names_of(weights):
        return as_given, as_given
    again = batch_statistics.estimated(replay, weights, examples.training)
    return as_given, errors(replay, {**weights, **again}, examples)


def errors(replay: Replay, weights: Mapping[str, Tensor], examples: Examples) -> Errors:
    """Return the errors of members and ensemble on the test examples."""
    wrong, wrong_together = [], []
    blocks = zip(torch.split(examples.x, BLOCK), torch.split(examples.target, BLOCK), strict=True)
    with torch.no_grad():
        for x, target in blocks:
            of_members, together = _wrong(replay, replay.logits_of(weights, x), target)
            wrong.append(of_members)
            wrong_together.append(together)
    of_all = np.concatenate(wrong, -1).mean(-1, dtype=np.float64)
    return Errors(of_all, float(np.concatenate(wrong_together).mean(dtype=np.float64)))


def _wrong(replay: Replay, logits: Tensor, target: Tensor) -> tuple[Wrong, Wrong]:
    """Return the errors of members (M, n) and of the ensemble (n,) on some examples."""
    family, combiner = replay.session.data.family, replay.session.recipe.combiner
    if class_logits.is_for(family):
        block = OutputBlock(logits=logits.numpy(), target=target.numpy(), start=0)
        several = [ClassLogits(piece.logits, piece.target) for piece in pieces([block])]
        together = [each.is_wrong(each.averaged(combiner)) for each in several]
        return np.concatenate([e.are_wrong() for e in several], 1), np.concatenate(together)
    of_members = combining.for_members(family, target).expand(logits.shape[:2])
    prediction = combining.prediction(family, logits, combiner)
    return (
        family.error(family.mean(logits), of_members).numpy(),
        family.error(prediction, target).numpy(),
    )
