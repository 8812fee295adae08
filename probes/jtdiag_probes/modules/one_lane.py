"""What is measured in one lane: linear probes of its modules, rewinding, and displacement."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.dominance.movement import squared_distances
from jtdiag_probes.layers.layers import MEMBERS
from jtdiag_probes.modules import rewinding, skill
from jtdiag_probes.modules.cuts import Module, modules_of, tensors_by_module
from jtdiag_probes.modules.prepared import PreparedTrial

Measured = dict[str, NDArray[np.float64]]
"""Values by variable, without the dimensions λ and trial."""


@dataclass(frozen=True, kw_only=True)
class OneLane:
    """A lane, the members at its last kept epoch, and what is needed to measure them."""

    run: Run
    end: Replay
    epochs: list[int]
    """Epochs to which modules are set back; the last one is the end."""
    trial: PreparedTrial

    @property
    def modules(self) -> list[Module]:
        """The modules of the members, in order."""
        return modules_of(self.run, self.end)

    def measure(self) -> Measured:
        """Return every variable; those by epoch have one row for each of the epochs."""
        tensors = tensors_by_module(self.end, self.modules, self.trial.examples.training)
        return {
            **self._skill(),
            **self._rewound(tensors),
            **self._moved(tensors),
            "last_epoch": np.asarray(self.epochs[-1], float),
        }

    def _skill(self) -> Measured:
        """Return errors of linear probes behind each module, and shares of the skill."""
        count = self.end.session.stack.count
        members = evenly(count, MEMBERS)
        error = np.full((count, len(self.modules)), np.nan)
        error[members] = self.trial.probe_errors(self.end, self.modules, members)
        inputs = np.asarray(self.trial.inputs_error)
        inputs_share, share = skill.shares(inputs, error[members].mean(0), self.run.chance_error)
        return {
            "probe_error": error,
            "inputs_error": inputs,
            "inputs_share": inputs_share,
            "skill_share": share,
            "effective_modules": skill.effective_modules(share),
        }

    def _rewound(self, tensors: Mapping[str, frozenset[str]]) -> Measured:
        """Return errors with each module, and all of them, as after each epoch."""
        rows = []
        for epoch in self.epochs:
            earlier = Replay.of(self.run, self.end.lane, epoch, beside=self.end)
            several = [
                rewinding.rewound(self.end, earlier, tensors[module.name])
                for module in self.modules
            ]
            rows.append(
                [
                    rewinding.with_and_without(self.end, weights, self.trial.examples)
                    for weights in (*several, earlier.weights)
                ]
            )
        measured = {}
        for i, name in enumerate(("rewound", "reestimated")):
            members = [[pair[i].member for pair in row] for row in rows]
            ensemble = [[pair[i].ensemble for pair in row] for row in rows]
            measured[f"{name}_member_error"] = np.moveaxis(np.array(members), 1, 2)
            measured[f"{name}_ensemble_error"] = np.array(ensemble)
        return measured

    def _moved(self, tensors: Mapping[str, frozenset[str]]) -> Measured:
        """Return distances from epoch 0, (epoch, member, module), and relative to its norm."""
        shape = (len(self.epochs), self.end.session.stack.count, len(self.modules))
        squares, norms = np.full(shape, np.nan), np.full(shape[1:], np.nan)
        if self.epochs[0] == 0:
            for k, module in enumerate(self.modules):
                parameters = sorted(tensors[module.name] & self.end.trained.keys())
                at = [[self._parameter(epoch, n) for n in parameters] for epoch in self.epochs]
                first = at[0]
                norms[:, k] = _sum_of_squares(first, [np.zeros_like(p) for p in first], shape[1])
                for i, values in enumerate(at):
                    squares[i, :, k] = _sum_of_squares(values, first, shape[1])
        distance, norm = np.sqrt(squares), np.sqrt(norms)
        relative = np.where(norm > 0, distance / np.where(norm > 0, norm, 1), np.nan)
        return {"displacement": distance, "relative_displacement": relative}

    def _parameter(self, epoch: int, name: str) -> NDArray[np.floating]:
        return self.run.parameter(self.end.lane, epoch, name)


def _sum_of_squares(
    values: list[NDArray[np.floating]], reference: list[NDArray[np.floating]], members: int
) -> NDArray[np.float64]:
    """Return squared distances of members (M,), over all arrays (M, …) of a module."""
    each = [squared_distances(a, b) for a, b in zip(values, reference, strict=True)]
    return np.sum([np.zeros(members), *each], 0)
