"""Features of modules that are trained already: kept for all training examples, or computed."""

import math

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules.contract import Batch, Setting

LARGEST_CACHE = 2**30
"""Bytes of features that are kept. A constant: a resumed run must compute as the first one did."""
BLOCK = 1000
"""Examples that are computed at a time."""


class FrozenFeatures:
    """Features of the modules before one, in evaluation mode, so that their buffers stay too."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._kept: tuple[int, Tensor, list[Tensor]] | None = None

    @torch.no_grad()
    def of(self, batch: Batch, index: int) -> tuple[Tensor, list[Tensor]]:
        """Return the inputs of a module for a batch, and where the modules before it return not 0.

        Args:
            batch: The batch.
            index: Of the module.

        Returns:
            Inputs (L, B, …) of the first module, else features (L, M, B, …); and for each module
            before, (L, M, B, 1), 0 where all of its outputs are 0.
        """
        if index == 0:
            return batch.x, []
        if not self._keeps(batch, index):
            return self._computed(batch.state, batch.x, index)
        if self._kept is None or self._kept[0] != index:
            self._kept = (index, *self._of_all(batch, index))
        _, features, alive = self._kept
        return _at(features, batch.positions), [_at(a, batch.positions) for a in alive]

    def _keeps(self, batch: Batch, index: int) -> bool:
        """Return whether features of all examples fit; those of augmented images would change."""
        setting, weights = self._setting, next(iter(batch.state.values()))
        lanes, members = weights.shape[:2]
        if setting.recipe.data.augment or members < batch.members:
            return False
        part = setting.data.part(names.TRAIN).x
        numbers = lanes * members * len(part) * math.prod(setting.features[index - 1])
        return numbers * part.element_size() <= LARGEST_CACHE

    def _of_all(self, batch: Batch, index: int) -> tuple[Tensor, list[Tensor]]:
        """Return the features of all training examples (L, M, N, …), and where they are not 0."""
        part = self._setting.data.part(names.TRAIN).x
        lanes = len(batch.x)
        blocks = [
            self._computed(batch.state, x.expand(lanes, *x.shape), index)
            for x in torch.split(part, BLOCK)
        ]
        features = torch.cat([block for block, _ in blocks], 2)
        alive = [torch.cat(parts, 2) for parts in zip(*(a for _, a in blocks), strict=True)]
        return features, alive

    def _computed(self, state: State, x: Tensor, index: int) -> tuple[Tensor, list[Tensor]]:
        h, alive = x, []
        for module in self._setting.modules[:index]:
            h = self._setting.run(state, module, h, training=False)
            alive.append((h != 0).flatten(3).any(-1, keepdim=True).to(h.dtype))
        return h, alive


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """Return the examples (L, M, B, …) at positions (L, B) of values (L, M, N, …)."""
    rows = zip(values, positions, strict=True)
    return torch.stack([of_lane.index_select(1, own) for of_lane, own in rows])
