"""Errors of members with one module set back to an earlier epoch (Zhang, Bengio, Singer 2022)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.families import combining
from jtdiag.replay import Replay
from jtdiag_probes.modules import batch_statistics

BLOCK = 500
"""Examples whose outputs are computed together."""


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
    family, combiner = replay.session.data.family, replay.session.recipe.combiner
    wrong, wrong_together = [], []
    blocks = zip(torch.split(examples.x, BLOCK), torch.split(examples.target, BLOCK), strict=True)
    with torch.no_grad():
        for x, target in blocks:
            logits = replay.logits_of(weights, x)
            of_members = combining.for_members(family, target).expand(logits.shape[:2])
            wrong.append(family.error(family.mean(logits), of_members))
            together = combining.prediction(family, logits, combiner)
            wrong_together.append(family.error(together, target))
    of_all = torch.cat(wrong, -1).double().mean(-1)
    return Errors(of_all.numpy(), float(torch.cat(wrong_together).double().mean()))
