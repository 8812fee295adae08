"""Running means of losses and errors over batches, accumulated on the device."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine.loss import StepLosses, vote_errors
from jtdiag.engine.modules.module_means import ModuleMeans

Errors = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Maps logits (L, M, K, B) and targets to errors of members (L, M, B) and ensemble (L, B)."""


class RunningMeans:
    """Means over examples for L lanes and M members; `add` never synchronizes with the device."""

    def __init__(
        self,
        lanes: int,
        members: int,
        device: torch.device,
        errors: Errors = vote_errors,
        modules: ModuleMeans | None = None,
    ) -> None:
        self._errors = errors
        self.modules = modules
        """What is measured module by module; None where members are trained as a whole."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        self._sums = {
            names.MEMBER_LOSS: zeros(lanes, members),
            names.MEMBER_ERROR: zeros(lanes, members),
            names.ENSEMBLE_LOSS: zeros(lanes),
            names.ENSEMBLE_ERROR: zeros(lanes),
        }
        self._examples = 0

    @torch.no_grad()
    def add(self, logits_LMKB: Tensor, target: Tensor, losses: StepLosses) -> None:
        """Add one batch."""
        sums = self._sums
        sums[names.MEMBER_LOSS] += losses.members.sum(-1)
        sums[names.ENSEMBLE_LOSS] += losses.ensemble.sum(-1)
        members, ensemble = self._errors(logits_LMKB, target)
        sums[names.MEMBER_ERROR] += members.sum(-1)
        sums[names.ENSEMBLE_ERROR] += ensemble.sum(-1)
        self._examples += target.shape[1]

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Return the means over all examples on the host: (L,), (L, M) or (L, M, modules)."""
        rows = {name: (total / self._examples).cpu().numpy() for name, total in self._sums.items()}
        return rows if self.modules is None else rows | self.modules.means(rows)
