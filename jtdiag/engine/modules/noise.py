"""Random numbers of a training step for what is learned beside the members."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine import seeds


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Numbers that are the same for every λ and every member of a trial, as the batches are."""

    seed: int
    """Of the recipe."""
    trials: Sequence[int]
    """Trial of each lane."""
    step: tuple[int, int]
    """Epoch, and number of the step in it."""

    def normal(self, index: int, like: Tensor) -> Tensor:
        """Return standard normal numbers (L, 1, …).

        Args:
            index: Of the module for which they are.
            like: Features (L, M, …) of that shape, type and device.
        """
        drawn = {
            trial: torch.randn(
                like.shape[2:],
                generator=seeds.generator(self.seed, seeds.Purpose.NOISE, trial, *self.step, index),
                dtype=torch.float32,  # the same numbers at every precision
            )
            for trial in set(self.trials)
        }
        return torch.stack([drawn[trial] for trial in self.trials]).unsqueeze(1).to(like)
