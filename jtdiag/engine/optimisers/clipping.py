"""Clipping: no member's gradient is longer than a recipe allows."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.optimisers.contract import Optimiser


def lengths(gradients: Mapping[str, Tensor]) -> Tensor:
    """Return the Euclidean norms (L, M) of gradients (L, M, …), over all of a member's own."""
    of_each = [
        torch.linalg.vector_norm(g.unsqueeze(-1), dim=list(range(2, g.ndim + 1)))
        for g in gradients.values()
    ]
    return torch.linalg.vector_norm(torch.stack(of_each), dim=0)


@torch.no_grad()
def clip(gradients: Mapping[str, Tensor], longest: float) -> dict[str, Tensor]:
    """Return gradients (L, M, …), each member's shortened to a Euclidean norm where it is longer.

    As torch.nn.utils.clip_grad_norm_ does for one network. A norm that is not finite makes all
    of its member's gradient 0 or NaN, and no other's.
    """
    factor_LM = (longest / (lengths(gradients) + 1e-6)).clamp(max=1.0)
    return {
        name: g * factor_LM.view(*factor_LM.shape, *[1] * (g.ndim - 2))
        for name, g in gradients.items()
    }


@dataclass(frozen=True)
class Clipped:
    """An optimiser that is shown clipped gradients; its state is its own."""

    optimiser: Optimiser
    longest: float

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the optimiser's state before the first step."""
        return self.optimiser.start(weights)

    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Let the optimiser take one step along the clipped gradients."""
        self.optimiser.step(weights, state, clip(gradients, self.longest), lr_L)
