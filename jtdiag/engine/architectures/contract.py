"""What the engine needs of an architecture: M members of one kind, stacked."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from jtdiag.store.layout import Parameter

State = Mapping[str, Tensor]
"""Parameters and buffers of all members by name, (L, M, …)."""


class MemberStack(Protocol):
    """M members of one architecture: what they hold, how they begin, and what they say.

    Members that are branches of one network share its parameters: there is one copy of them.

    A stack itself holds no numbers; they are given with every call, so one stack serves all
    lanes, epochs and checkpoints.
    """

    count: int
    """Copies of the parameters: members, M, or 1 where these are branches of one network."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Parameters of one member by name; they are trained."""

    @property
    def buffers(self) -> Mapping[str, Parameter]:
        """Further numbers of one member by name, such as BatchNorm's running statistics."""

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return parameters and buffers (M, …) to begin with, on the CPU, in float64."""

    def __call__(self, state: State, x: Tensor, *, training: bool = False) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …).

        Args:
            state: Parameters and buffers (L, M, …) by name.
            x: Every member of a lane sees the same examples.
            training: Normalise by the batch and move the buffers in place, where there are any.
        """
