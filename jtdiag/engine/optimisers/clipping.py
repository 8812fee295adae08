"""Gradient clipping by norm, separately for every member."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.optimisers.contract import Optimiser


def norms(gradients: Mapping[str, Tensor]) -> Tensor:
    """Return the Euclidean norm (L, M) of each member's gradient, over all its parameters."""
    by_parameter = [
        torch.linalg.vector_norm(g.unsqueeze(-1), dim=list(range(2, g.ndim + 1)))
        for g in gradients.values()
    ]
    return torch.linalg.vector_norm(torch.stack(by_parameter), dim=0)


@torch.no_grad()
def clip(gradients: Mapping[str, Tensor], max_norm: float) -> dict[str, Tensor]:
    """Return gradients (L, M, …) with each member's scaled down to a maximum Euclidean norm.

    The same as torch.nn.utils.clip_grad_norm_ for a single network. A non-finite norm makes the
    gradient of its own member 0 or NaN and leaves the others unchanged.
    """
    factor_LM = (max_norm / (norms(gradients) + 1e-6)).clamp(max=1.0)
    return {
        name: g * factor_LM.view(*factor_LM.shape, *[1] * (g.ndim - 2))
        for name, g in gradients.items()
    }


@dataclass(frozen=True)
class Clipped:
    """An optimizer that receives clipped gradients; it adds no state."""

    optimiser: Optimiser
    max_norm: float
    """Largest Euclidean norm of one member's gradient."""

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the initial state of the optimizer."""
        return self.optimiser.start(weights)

    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Clip the gradients and let the optimizer take one step."""
        self.optimiser.step(weights, state, clip(gradients, self.max_norm), lr_L)
