"""Running means of losses and errors over batches, accumulated on the device."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine.loss import StepLosses, vote_errors
from jtdiag.engine.modules.contract import Ratio, as_lanes
from jtdiag.engine.modules.module_means import NOTHING, ModuleMeans
from jtdiag.engine.objectives import Errors, TrainingObjective
from jtdiag.engine.ranks.division import WHOLE, Division

ErrorsOf = Callable[[Tensor, Tensor], Errors]
"""Maps logits (L, M, K, B) and targets to errors of members (L, M, B) and ensemble (L, B)."""


class RunningMeans:
    """Means over examples for L lanes and M members; `add` never synchronizes with the device."""

    def __init__(
        self,
        lanes: int,
        members: int,
        device: torch.device,
        errors: ErrorsOf = vote_errors,
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
    def add(
        self,
        logits_LMKB: Tensor,
        target: Tensor,
        losses: StepLosses,
        errors: Errors | None = None,
    ) -> None:
        """Add one batch; errors are computed if they are not given."""
        self._add(losses, self._errors(logits_LMKB, target) if errors is None else errors)

    @torch.no_grad()
    def add_by_module(
        self,
        objective: TrainingObjective,
        logits: Tensor,
        local_logits: Sequence[Tensor],
        features: Sequence[Tensor],
        target: Tensor,
        losses: StepLosses | None = None,
        measured: Mapping[str, Ratio] = NOTHING,
    ) -> None:
        """Add one batch of members with modules.

        Args:
            objective: Of which losses and errors are.
            logits: (L, M, K, B) of the members.
            local_logits: The same of the local heads of each hidden module; may be empty.
            features: What each hidden module returned, (L, M, B, …).
            target: (L, B), or (L, B, K).
            losses: With the members and each module as lanes, if they have been computed.
            measured: What a credit has measured in a training step.
        """
        assert self.modules is not None
        lanes = len(logits)
        together = as_lanes([logits, *local_logits])
        targets = as_lanes([target] * (1 + len(local_logits)))
        losses = losses or objective.losses(together, targets)
        members, ensemble = objective.errors(together, targets)
        own = StepLosses(members=losses.members[:lanes], ensemble=losses.ensemble[:lanes])
        self._add(own, (members[:lanes], ensemble[:lanes]))
        self.modules.add(features, losses.members[lanes:], members[lanes:], measured)

    def _add(self, losses: StepLosses, errors: Errors) -> None:
        sums = self._sums
        sums[names.MEMBER_LOSS] += losses.members.sum(-1)
        sums[names.ENSEMBLE_LOSS] += losses.ensemble.sum(-1)
        members, ensemble = errors
        sums[names.MEMBER_ERROR] += members.sum(-1)
        sums[names.ENSEMBLE_ERROR] += ensemble.sum(-1)
        self._examples += losses.members.shape[-1]

    def means(self, division: Division = WHOLE) -> dict[str, NDArray[np.float64]]:
        """Return the means over all examples on the host: (L,), (L, M) or (L, M, modules).

        Args:
            division: Says what other processes have added.
        """
        rows = division.means(self._sums, self._examples)
        return rows if self.modules is None else rows | self.modules.means(rows)
