"""Errors of new heads and scores of all sources of a trial, for every target task."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.replay import Replay
from jtdiag_probes.layers.examples import pooled
from jtdiag_probes.shared.same_weights import weights_key
from jtdiag_probes.transfer import heads
from jtdiag_probes.transfer.heads import SCORES, Floats, Task
from jtdiag_probes.transfer.tasks import Tasks


class Measured(NamedTuple):
    """Of the members of one lane and epoch."""

    error: Floats
    """(member, layer, target)"""
    loss: Floats
    """(member, layer, target), in nats."""
    scores: Floats
    """(member, layer, target, score); NaN for a control."""


class OneTrial:
    """The tasks that all sources of a trial share, and the errors of heads on their inputs."""

    def __init__(self, replay: Replay, tasks: Tasks) -> None:
        self.tasks = tasks
        self._trial = replay.lane.trial
        self._by_weights: dict[str, Measured] = {}
        parts = ([_flat(x) for x in own] for own in (self.tasks.train, self.tasks.held_out))
        train, held_out = parts
        every = (_task(train, held_out, pair) for pair in self.tasks.pairs)
        self.input_error = np.array([heads.head(task)[0] for task in every])

    def measure(
        self,
        replay: Replay,
        members: NDArray[np.intp],
        layers: tuple[str, ...],
        *,
        scored: bool,
    ) -> Measured:
        """Measure hidden layers of some members; members with the same weights only once.

        Args:
            replay: The members.
            members: Positions of some of them.
            layers: Names of hidden layers.
            scored: Whether they are sources; else they are a control, without scores.
        """
        key = weights_key(replay)
        if key not in self._by_weights:
            self._by_weights[key] = self._measure(replay, members, layers, scored=scored)
        return self._by_weights[key]

    def _measure(
        self,
        replay: Replay,
        members: NDArray[np.intp],
        layers: tuple[str, ...],
        *,
        scored: bool,
    ) -> Measured:
        tasks = self.tasks
        shape = (len(members), len(layers), len(tasks.pairs))
        values = np.full((*shape, 2 + len(SCORES)), np.nan)
        logits = [replay.logits(x)[members].double() for x in tasks.train]
        theta = [torch.softmax(each, -1).numpy() for each in logits]
        for i, layer in enumerate(layers):
            train, held_out = (
                [_features(replay, x, layer, members) for x in own]
                for own in (tasks.train, tasks.held_out)
            )
            for j in range(len(members)):
                own_train, own_held_out = ([h[j] for h in part] for part in (train, held_out))
                for k, pair in enumerate(tasks.pairs):
                    task = _task(own_train, own_held_out, pair)
                    values[j, i, k, :2] = heads.head(task)
                    if scored:
                        own = np.concatenate([theta[c][j] for c in pair])
                        values[j, i, k, 2:] = heads.scores(task, own, self._trial)
        return Measured(values[..., 0], values[..., 1], values[..., 2:])


def _features(replay: Replay, x: Tensor, layer: str, members: NDArray[np.intp]) -> Floats:
    """Return features (member, n, d) as linear probes take them."""
    return pooled(replay.features(x, layer)[members]).double().numpy()


def _flat(x: Tensor) -> Floats:
    return x.flatten(1).double().numpy()


def _task(train: list[Floats], held_out: list[Floats], pair: tuple[int, int]) -> Task:
    """Return the task of two classes from features (n, d) by class."""
    counts = [[len(part[c]) for c in pair] for part in (train, held_out)]
    return Task(
        train=np.concatenate([train[c] for c in pair]),
        target=np.repeat([0, 1], counts[0]),
        held_out=np.concatenate([held_out[c] for c in pair]),
        truth=np.repeat([0, 1], counts[1]),
    )
