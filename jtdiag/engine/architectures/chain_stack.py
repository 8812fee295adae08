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

    def stacked(self, state: State, x: Tensor, *, training: bool) -> Tensor:
        """Return outputs (L, M, 1, B) for inputs (L, B, 1)."""
        h = x.transpose(1, 2)[:, None]
        for weight in state.values():
            h = weight * h  # (L, M, 1, 1) times (L, M, 1, B)
        return h
