"""AdamW for stacked lanes, each with its own learning rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.optimisers.contract import OptimiserSpec
from jtdiag.engine.optimisers.per_lane import along_lanes


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """The update of torch.optim.AdamW, on tensors whose first axis is the lane."""

    weight_decay: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return zero moments for weights (L, …), and step counts (L,) on their device."""
        first = next(iter(weights.values()))
        state = {"steps": torch.zeros(len(first), dtype=torch.int64, device=first.device)}
        for name, weight in weights.items():
            state[f"mean/{name}"] = torch.zeros_like(weight)
            state[f"square/{name}"] = torch.zeros_like(weight)
        return state

    @torch.no_grad()
    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Update weights and state in place by one step with learning rates (L,)."""
        steps_L = state["steps"].add_(1).double()
        # In float64, as in torch: 1 − 0.999 loses four digits in float32.
        mean_correction_L, square_correction_L = (1 - beta**steps_L for beta in self.betas)
        step_size_L = (lr_L / mean_correction_L).to(lr_L.dtype)
        root_correction_L = square_correction_L.sqrt().to(lr_L.dtype)
        for name, weight in weights.items():
            gradient = gradients[name]
            mean = state[f"mean/{name}"].lerp_(gradient, 1 - self.betas[0])
            square = state[f"square/{name}"].mul_(self.betas[1])
            square.addcmul_(gradient, gradient, value=1 - self.betas[1])
            if self.weight_decay:
                weight.mul_(along_lanes(1 - lr_L * self.weight_decay, weight))
            denominator = square.sqrt().div_(along_lanes(root_correction_L, square)).add_(self.eps)
            weight.addcmul_(mean / denominator, along_lanes(-step_size_L, weight))


SPEC = OptimiserSpec(name="adamw", build=lambda train: AdamW(weight_decay=train.weight_decay))
