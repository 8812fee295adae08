"""New heads on the features of the members of a trial, fitted to few labels and to all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.replay import Replay
from jtdiag_probes.labels.draws import drawn
from jtdiag_probes.layers import linear_probe
from jtdiag_probes.layers.examples import (
    HELD_OUT_EXAMPLES,
    of_split,
    pooled,
    train_and_validation,
)
from jtdiag_probes.shared.same_weights import weights_key

FEW = (1, 2, 5, 20)
"""Numbers of labels a class."""
STRENGTH = 1.0
"""scikit-learn's C with few labels, which leave nothing to choose it by."""

Errors = NDArray[np.float64]
"""Fractions (…, number of labels): those of `FEW`, then all."""


class OneTrial:
    """The examples and draws that all lanes of a trial share."""

    def __init__(self, replay: Replay) -> None:
        train, validation = train_and_validation(replay)
        self.parts = (train, validation, of_split(replay, names.TEST, HELD_OUT_EXAMPLES))
        self.draws = [drawn(train.target, labels, replay.lane.trial) for labels in FEW]
        self.on_inputs = self.of_features(
            [part.x.flatten(1).double().numpy() for part in self.parts]
        )
        self._by_weights: dict[str, Errors] = {}

    @property
    def labeled(self) -> NDArray[np.float64]:
        """Numbers of labeled examples in all; NaN where a class has too few."""
        few = [float(len(draws[0])) if draws else np.nan for draws in self.draws]
        return np.array([*few, len(self.parts[0].target)])

    def measure(self, replay: Replay, members: Sequence[int] | NDArray[np.intp]) -> Errors:
        """Return the test errors of new heads (member, layer, number of labels).

        The layers are the inputs and all hidden layers. Members with the same weights are
        measured once: lanes of a trial begin with the same.
        """
        key = weights_key(replay)
        if key not in self._by_weights:
            self._by_weights[key] = self._measure(replay, members)
        return self._by_weights[key]

    def _measure(self, replay: Replay, members: Sequence[int] | NDArray[np.intp]) -> Errors:
        columns = [[self.on_inputs] * len(members)]
        for layer in replay.layers[:-1]:
            parts = [pooled(replay.features(part.x, layer)) for part in self.parts]
            columns.append([self.of_features([part[j].numpy() for part in parts]) for j in members])
        return np.array(columns).swapaxes(0, 1)

    def of_features(self, features: Sequence[NDArray[np.floating[Any]]]) -> Errors:
        """Return the errors by number of labels, of features of the three parts; means over draws.

        Features are standardized by all training examples, which takes no labels.
        """
        train, validation, held_out = (
            (z, part.target) for z, part in zip(features, self.parts, strict=True)
        )
        every = linear_probe.evaluate(train, validation, held_out).error
        scaled = linear_probe.standardized(features[0], features[2])
        if scaled is None:
            return np.full(len(FEW) + 1, np.nan)
        few = [self._of_draws(scaled[0], (scaled[1], held_out[1]), draws) for draws in self.draws]
        return np.array([*few, every])

    def _of_draws(
        self,
        features: NDArray[np.float64],
        held_out: linear_probe.Examples,
        draws: Sequence[NDArray[np.intp]],
    ) -> float:
        target = self.parts[0].target
        errors = [
            linear_probe.error_with((features[few], target[few]), held_out, STRENGTH)
            for few in draws
        ]
        return float(np.mean(errors)) if errors else float("nan")
