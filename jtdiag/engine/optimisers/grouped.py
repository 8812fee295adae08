"""An optimizer whose parameters are in groups: with rates of their own, and clipped separately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from jtdiag.engine.optimisers.contract import Optimiser


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Parameters that the optimizer treats as one network."""

    name: str
    """Prefix of their part of the state; empty for the only group of the members."""
    parameters: tuple[str, ...]
    rate: float = 1.0
    """Multiple of the learning rate."""


@dataclass(frozen=True)
class Grouped:
    """The same optimizer for every group. A group without gradients is left as it is."""

    optimiser: Optimiser
    groups: Sequence[ParameterGroup]
    _names: dict[str, list[tuple[str, str]]] = field(default_factory=dict, init=False)
    """Names of a group's state, in the optimizer of the group and here: found once, not in every
    step."""

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the initial state of all groups for weights (L, …) by name."""
        state = {}
        for group in self.groups:
            own = {name: weights[name] for name in group.parameters}
            for name, tensor in self.optimiser.start(own).items():
                state[group.name + name] = tensor
        return state

    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Update every group that has gradients by one step."""
        for group in self.groups:
            learning = [name for name in group.parameters if name in gradients]
            if not learning:
                continue
            rates = lr_L if group.rate == 1 else lr_L * group.rate
            self.optimiser.step(
                {name: weights[name] for name in learning},
                {own: state[name] for own, name in self._names_of(group, state)},
                {name: gradients[name] for name in learning},
                rates,
            )

    def _names_of(
        self, group: ParameterGroup, state: Mapping[str, Tensor]
    ) -> list[tuple[str, str]]:
        if group.name not in self._names:
            self._names[group.name] = [
                (name.removeprefix(group.name), name)
                for name in state
                if name.startswith(group.name)
            ]
        return self._names[group.name]
