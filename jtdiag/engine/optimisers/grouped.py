"""An optimizer whose parameters are in groups: with rates of their own, and clipped separately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
            own = {
                name.removeprefix(group.name): tensor
                for name, tensor in state.items()
                if name.startswith(group.name)
            }
            rates = lr_L if group.rate == 1 else lr_L * group.rate
            self.optimiser.step(
                {name: weights[name] for name in learning},
                own,
                {name: gradients[name] for name in learning},
                rates,
            )
