"""What the engine needs of an optimiser."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class Optimiser(Protocol):
    """How stacked weights move once their gradient is known; it holds no numbers itself.

    What it remembers is a flat dict of tensors whose first axis is the lane: ``tensor[lane]`` of
    each is all that one lane needs to go on where it stopped.
    """

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the state before the first step, for weights (L, M, …) by name."""

    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Move weights and state, in place, by one step with learning rates (L,).

        Gradients stay as they are, and nothing waits for the device.
        """
