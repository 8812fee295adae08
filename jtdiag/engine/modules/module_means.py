"""Running means of what is measured module by module, accumulated on the device."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine.modules.contract import Ratio, as_lanes

NOTHING: Mapping[str, Ratio] = {}


class ModuleMeans:
    """Means over examples for L lanes, M members and hidden modules."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._sums: dict[str, Tensor] = {}
        """By name, (modules·L, M)."""
        self._ratios: dict[str, tuple[Tensor, Tensor]] = {}
        self._examples = 0

    @torch.no_grad()
    def add(
        self,
        features: Sequence[Tensor],
        losses: Tensor,
        errors: Tensor,
        measured: Mapping[str, Ratio] = NOTHING,
    ) -> None:
        """Add one batch.

        Args:
            features: What each hidden module returned, (L, M, B, …).
            losses: Of the local heads, (modules·L, M, B); of no module if there are none.
            errors: The same.
            measured: What a credit has measured in a training step.
        """
        # The largest value, since torch is slow at reducing booleans along a strided axis.
        largest = as_lanes([h.flatten(3).abs().amax(-1) for h in features])
        self._add(names.DEAD_ROWS, largest == 0)
        if len(losses):
            self._add(names.MODULE_LOSS, losses)
            self._add(names.MODULE_ERROR, errors)
        self._examples += largest.shape[-1]
        for name, ratio in measured.items():
            parts = (ratio.numerator.double(), ratio.denominator.double())
            sums = self._ratios.get(name)
            self._ratios[name] = parts if sums is None else (sums[0] + parts[0], sums[1] + parts[1])

    def _add(self, name: str, values: Tensor) -> None:
        total = values.sum(-1, dtype=torch.float64)
        self._sums[name] = self._sums[name] + total if name in self._sums else total

    def means(self, rows: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Return the means by name, (L, M, modules), on the host.

        Args:
            rows: Means of whole members, (L, M); those of the last module.
        """
        of_last = {
            names.MODULE_LOSS: rows[names.MEMBER_LOSS],
            names.MODULE_ERROR: rows[names.MEMBER_ERROR],
            names.DEAD_ROWS: np.zeros_like(rows[names.MEMBER_LOSS]),  # logits are never rows of 0
        }
        means = {
            name: np.concatenate(
                [self._by_module(total / self._examples), of_last[name][..., None]], -1
            )
            for name, total in self._sums.items()
        }
        # 0/0 is NaN: a module of which there is nothing to measure.
        ratios = {name: (a / b).cpu().numpy() for name, (a, b) in self._ratios.items()}
        return means | ratios

    def _by_module(self, values: Tensor) -> NDArray[np.float64]:
        """Return values (modules·L, M) as (L, M, modules) on the host."""
        by_module: NDArray[np.float64] = (
            values.view(-1, self._lanes, values.shape[-1]).movedim(0, -1).cpu().numpy()
        )
        return by_module
