"""What an optimizer provides: its update rule, and the record that registers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from jtdiag.recipe.recipe import Train


class Optimiser(Protocol):
    """The update rule of stacked weights. The object itself is stateless.

    The state is a flat dict of tensors whose first axis is the lane: ``tensor[lane]`` of each is
    all that is needed to resume a lane.
    """

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the initial state for weights (L, M, …) by name."""

    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Update weights and state in place by one step with learning rates (L,).

        Must not modify the gradients, and should not synchronize with the device.
        """


@dataclass(frozen=True, kw_only=True)
class OptimiserSpec:
    """An optimizer by name. One file defines one; an entry point of ``jtdiag.optimisers`` names it.

    A third-party package adds an optimizer with the same kind of record::

        spec = OptimiserSpec(name="sign", build=lambda train: SignSGD(train.weight_decay))
    """

    name: str
    """Name in a recipe's ``train.optimiser``; the same as that of the entry point."""
    build: Callable[[Train], Optimiser]
    """Creates the optimizer from the [train] section of a recipe."""
