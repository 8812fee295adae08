"""What the lanes of a trial share: the examples, and the linear probe of the inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.replay import Replay
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.layers import linear_probe
from jtdiag_probes.layers.examples import (
    HELD_OUT_EXAMPLES,
    of_split,
    pooled,
    train_and_validation,
)
from jtdiag_probes.modules.cuts import Module
from jtdiag_probes.modules.rewinding import Examples

TEST_EXAMPLES = 2000
"""Largest number of test examples on which members with a module set back are evaluated."""
STATISTICS_EXAMPLES = 1000
"""Largest number of training examples on which statistics of BatchNorm are estimated again."""


class PreparedTrials:
    """The prepared trials of a run, each prepared once."""

    def __init__(self) -> None:
        self._by_trial: dict[int, PreparedTrial] = {}

    def of(self, replay: Replay) -> "PreparedTrial":
        """Return what lanes of the trial of some members share."""
        trial = replay.lane.trial
        if trial not in self._by_trial:
            self._by_trial[trial] = PreparedTrial(replay)
        return self._by_trial[trial]


class PreparedTrial:
    """Examples of one trial, and the error of a linear probe on the inputs."""

    def __init__(self, replay: Replay) -> None:
        train, validation = train_and_validation(replay)
        self._parts = (train, validation, of_split(replay, names.TEST, HELD_OUT_EXAMPLES))
        self.inputs_error = self._error([part.x.flatten(1).numpy() for part in self._parts])
        x, target = replay.examples(names.TEST)
        test = evenly(len(x), TEST_EXAMPLES)
        training = replay.examples(names.TRAIN)[0]
        self.examples = Examples(
            x=x[test],
            target=target[test],
            positions=test,
            training=training[evenly(len(training), STATISTICS_EXAMPLES)],
        )

    def probe_errors(
        self, replay: Replay, modules: Sequence[Module], members: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return errors (member, module) of linear probes; of the members behind the last one."""
        columns = []
        for module in modules[:-1]:
            layer = replay.layers[module.stop - 1]
            parts = [pooled(replay.features(part.x, layer)) for part in self._parts]
            columns.append([self._error([part[j].numpy() for part in parts]) for j in members])
        held_out = self._parts[2]
        wrong = replay.logits(held_out.x).argmax(-1).numpy() != held_out.target
        columns.append(wrong.mean(1)[members].tolist())
        return np.array(columns).T

    def _error(self, features: Sequence[NDArray[np.floating[Any]]]) -> float:
        examples = [(z, part.target) for z, part in zip(features, self._parts, strict=True)]
        return linear_probe.evaluate(*examples).error
