"""SGD with momentum for stacked lanes, each with its own learning rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.optimisers.contract import OptimiserSpec
from jtdiag.engine.optimisers.per_lane import along_lanes
from jtdiag.recipe.recipe import Train


@dataclass(frozen=True, kw_only=True)
class SGD:
    """The update of torch.optim.SGD, on tensors whose first axis is the lane.

    torch.optim.SGD supports one learning rate per tensor; splitting the tensors by lane would undo
    the stacking.
    """

    momentum: float
    nesterov: bool
    weight_decay: float

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return zero velocities for weights (L, …)."""
        return {f"velocity/{name}": torch.zeros_like(w) for name, w in weights.items()}

    @torch.no_grad()
    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Update weights and velocities in place by one step with learning rates (L,)."""
        for name, weight in weights.items():
            velocity, gradient = state[f"velocity/{name}"], gradients[name]
            if self.weight_decay:
                gradient = gradient.add(weight, alpha=self.weight_decay)
            torch.add(gradient, velocity, alpha=self.momentum, out=velocity)
            update = gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity
            weight.addcmul_(update, along_lanes(-lr_L, weight))


def _build(train: Train) -> SGD:
    return SGD(momentum=train.momentum, nesterov=train.nesterov, weight_decay=train.weight_decay)


SPEC = OptimiserSpec(name="sgd", build=_build)
