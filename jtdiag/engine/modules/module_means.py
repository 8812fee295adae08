"""Running means of what is measured module by module, accumulated on the device."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine.modules.contract import Ratio, as_lanes
from jtdiag.engine.objectives import TrainingObjective

NOTHING: Mapping[str, Ratio] = {}


class ModuleMeans:
    """Means over examples for L lanes, M members and hidden modules."""

    def __init__(self, objective: TrainingObjective) -> None:
        self._objective = objective
        self._sums: dict[str, Tensor] = {}
        self._ratios: dict[str, tuple[Tensor, Tensor]] = {}
        self._examples = 0

    @torch.no_grad()
    def add(
        self,
        features: Sequence[Tensor],
        local_logits: Sequence[Tensor],
        target: Tensor,
        measured: Mapping[str, Ratio] = NOTHING,
    ) -> None:
        """Add one batch.

        Args:
            features: What each hidden module returned, (L, M, B, …).
            local_logits: Logits (L, M, K, B) of their local heads; may be empty.
            target: (L, B), or (L, B, K).
            measured: What a credit has measured in a training step.
        """
        dead = [(h == 0).flatten(3).all(-1) for h in features]
        self._add(names.DEAD_ROWS, dead)
        if local_logits:
            # As lanes of one computation: many small ones would take longer than a module.
            logits, targets = as_lanes(local_logits), as_lanes([target] * len(local_logits))
            losses = self._objective.losses(logits, targets).members
            errors = self._objective.errors(logits, targets)[0]
            self._add(names.MODULE_LOSS, losses.chunk(len(local_logits)))
            self._add(names.MODULE_ERROR, errors.chunk(len(local_logits)))
        self._examples += target.shape[1]
        for name, ratio in measured.items():
            parts = (ratio.numerator.double(), ratio.denominator.double())
            sums = self._ratios.get(name)
            self._ratios[name] = parts if sums is None else (sums[0] + parts[0], sums[1] + parts[1])

    def _add(self, name: str, by_module: Sequence[Tensor]) -> None:
        if not by_module:
            return
        total = torch.stack([values.sum(-1, dtype=torch.float64) for values in by_module], -1)
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
                [(total / self._examples).cpu().numpy(), of_last[name][..., None]], -1
            )
            for name, total in self._sums.items()
        }
        # 0/0 is NaN: a module of which there is nothing to measure.
        ratios = {name: (a / b).cpu().numpy() for name, (a, b) in self._ratios.items()}
        return means | ratios
