"""Members: M networks of one architecture as stacked tensors, in one computation for all lanes.

One file an architecture. A stack knows its parameters, makes initial weights for one trial, and
maps weights (L, M, …) and inputs (L, B, …) to logits (L, M, K, B).
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from jtdiag.engine.members.mlp import MLP
from jtdiag.recipe import Members
from jtdiag.schema import Parameter


class MemberStack(Protocol):
    """What the engine needs of an architecture."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Parameters of one member by name."""

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return initial weights (M, …) by name, in float64, on the CPU."""

    def __call__(self, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Return logits (L, M, K, B) for weights (L, M, …) and inputs (L, B, …)."""


def build(members: Members, input_shape: tuple[int, ...], outputs: int) -> MemberStack:
    """Return the stack that a recipe's [members] describe, for inputs of a shape and K outputs."""
    return MLP(members.count, input_shape, members.hidden, outputs)
