"""Chains of scalar weights, y = w_d ⋯ w_1 x: members whose training has a closed form.

`jtdiag.race` gives it. All members start with the same, equal weights, without random numbers.
"""

import torch
from torch import Tensor, nn

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack


class ScalarChain(nn.Sequential):
    """One member: linear layers of one unit without bias, all with the same weight at first."""

    def __init__(self, depth: int, strength: float) -> None:
        super().__init__()
        for i in range(1, depth + 1):
            layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
            nn.init.constant_(layer.weight, strength ** (1 / depth))
            self.add_module(f"layer{i}", layer)


class Chain(ModuleStack):
    """M chains, stacked."""

    def __init__(self, count: int, depth: int, strength: float) -> None:
        super().__init__(count, lambda: ScalarChain(depth, strength))

    def stacked(self, state: State, h: Tensor, start: int, stop: int, *, training: bool) -> Tensor:
        """Compute the layers after `start` up to `stop`: see `ModuleStack.run`."""
        weights = list(state.values())
        h = h.transpose(2, 3) if start else h.transpose(1, 2)[:, None]
        for weight in weights[start:stop]:
            h = weight * h  # (L, M, 1, 1) times (L, M, 1, B)
        return h if stop == len(weights) else h.transpose(2, 3)
