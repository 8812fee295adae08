"""The interface of an architecture to the engine: M members of one kind, stacked."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from jtdiag.store.layout import Parameter

State = Mapping[str, Tensor]
"""Parameters and buffers of all members by name, (L, M, …)."""


class MemberStack(Protocol):
    """M members of one architecture: parameters, initialization and forward pass.

    Members that are branches of one network share its parameters, of which there is one copy.

    A stack has no parameter values of its own; they are passed with every call, so one stack
    serves all lanes, epochs and checkpoints.
    """

    count: int
    """Copies of the parameters: the number of members M, or 1 for branches of one network."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Trained parameters of one member by name."""

    @property
    def frozen(self) -> Mapping[str, Parameter]:
        """Parameters of one member that are not trained, by name."""

    @property
    def buffers(self) -> Mapping[str, Parameter]:
        """Buffers of one member by name, such as the running statistics of BatchNorm."""

    def initial(
        self, generator: torch.Generator, members: range | None = None
    ) -> dict[str, Tensor]:
        """Return initial parameters and buffers (M, …), on the CPU.

        They are in float64, but for buffers of integers, booleans and complex numbers.

        Args:
            generator: Determines all random numbers.
            members: Of which members, with the values that they have among all; by default all.
        """

    def __call__(self, state: State, x: Tensor, *, training: bool = False) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …).

        Args:
            state: Parameters and buffers (L, M, …) by name.
            x: Inputs; all members of a lane receive the same examples.
            training: Normalize by batch statistics and update the buffers in place, if any.
        """
