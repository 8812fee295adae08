"""AdamW for stacked lanes, each with its own learning rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.optimisers.contract import OptimiserSpec
from jtdiag.engine.optimisers.per_lane import along_lanes

SMALL = 2**15
"""Most numbers in a weight that is updated together with others."""


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
        minus_step_L = -(lr_L / mean_correction_L).to(lr_L.dtype)
        root_correction_L = square_correction_L.sqrt().to(lr_L.dtype)
        kept_L = 1 - lr_L * self.weight_decay
        for names in _together(weights):
            means = [state[f"mean/{name}"] for name in names]
            squares = [state[f"square/{name}"] for name in names]
            own = [gradients[name] for name in names]
            torch._foreach_lerp_(means, own, 1 - self.betas[0])
            torch._foreach_mul_(squares, self.betas[1])
            torch._foreach_addcmul_(squares, own, own, 1 - self.betas[1])
            moved = [weights[name] for name in names]
            if self.weight_decay:
                torch._foreach_mul_(moved, _along_lanes(kept_L, moved))
            denominators = torch._foreach_sqrt(squares)
            torch._foreach_div_(denominators, _along_lanes(root_correction_L, moved))
            torch._foreach_add_(denominators, self.eps)
            directions = _quotients(means, denominators)
            torch._foreach_addcmul_(moved, directions, _along_lanes(minus_step_L, moved))


def _together(weights: Mapping[str, Tensor]) -> list[list[str]]:
    """Return names of weights that are updated in the same calls: small ones, and each large one.

    A call takes longer than the update of a small weight. Large ones would only take more memory.
    """
    small = [name for name, weight in weights.items() if weight.numel() <= SMALL]
    large = [[name] for name, weight in weights.items() if weight.numel() > SMALL]
    return [small, *large] if small else large


def _quotients(means: list[Tensor], denominators: Sequence[Tensor]) -> list[Tensor]:
    """Return quotients; of one large weight in place of its denominators, to save the memory."""
    if len(means) > 1:
        return list(torch._foreach_div(means, list(denominators)))
    return [torch.div(means[0], denominators[0], out=denominators[0])]


def _along_lanes(values_L: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    return [along_lanes(values_L, weight) for weight in weights]


SPEC = OptimiserSpec(name="adamw", build=lambda train: AdamW(weight_decay=train.weight_decay))
