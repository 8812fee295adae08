"""Chance-level error and loss, from the targets of a training loop."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from jtdiag.families.contract import Family
from jtdiag.monitor import targets
from jtdiag.monitor.batch_sums import Batch
from jtdiag.store.layout import TargetFacts


class Chance:
    """Chance-level error and loss: those of the best constant prediction.

    The constant is fitted to the sampled targets of the first epoch: for classes, it is the most
    frequent one, and for the loss their frequencies. In a loop that passes losses without
    targets, K classes count as equally frequent.
    """

    def __init__(
        self, family: Family, error: float | None, loss: float | None, ignore_index: int
    ) -> None:
        self._family, self._ignore_index = family, ignore_index
        self.error = math.nan if error is None else error
        self.loss = loss
        self._error_is_fixed = error is not None
        self._targets: list[Tensor] | None = []
        self._mass: Tensor | None = None
        self.outputs = 0
        """K; 0 before the first batch."""

    @property
    def scale(self) -> float:
        """Divisor that turns errors into fractions."""
        return self.error if self._family.relative else 1.0

    def facts(self) -> TargetFacts:
        """Return the facts about targets and errors that a store needs.

        Raises:
            ValueError: if the chance-level error is unknown.
        """
        if math.isnan(self.error):
            raise ValueError("a store needs the chance-level error; pass chance_error=….")
        return TargetFacts(
            numbers=not self._family.classes,
            error_measure=self._family.error_measure,
            chance_error=self.error / self.scale,
            chance_loss=self.loss,
            error_scale=self.scale,
        )

    def add(self, batch: Batch, mass: Tensor | None = None) -> None:
        """Collect the targets of a batch, in the first epoch.

        Args:
            batch: The batch.
            mass: (K,), weighted or smoothed targets summed over its examples, if losses are those
                of such targets; the constant for the loss is then fitted to these.
        """
        self.outputs = batch.values.shape[-1]
        if self._targets is not None and mass is not None:
            self._mass = mass if self._mass is None else self._mass + mass
        if self._targets is not None and batch.target is not None:
            self._targets.append(batch.target)

    def targets_on_host(self) -> list[Tensor] | None:
        """Return the targets collected so far on the CPU; None once the constant is fitted."""
        return None if self._targets is None else [target.cpu() for target in self._targets]

    def replace_targets(self, collected: list[Tensor]) -> None:
        """Use the targets of all processes in place of those of this one; none change nothing."""
        if self._targets is not None and collected:
            self._targets = collected

    @torch.no_grad()
    def settle(self) -> None:
        """Compute chance-level error and loss, once."""
        if self._targets is None:
            return
        constant = self._of_constant(self._targets) if self._targets else None
        if self._mass is not None and self.loss is None:
            share = self._mass.double() / self._mass.double().sum()
            self.loss = float(torch.special.entr(share).sum())
        if constant is not None:
            self.error = self.error if self._error_is_fixed else constant[0]
            self.loss = constant[1] if self.loss is None else self.loss
        elif self._family.classes and self.outputs:
            self.error = self.error if self._error_is_fixed else 1 - 1 / self.outputs
            self.loss = math.log(self.outputs) if self.loss is None else self.loss
        self._targets = None

    def _of_constant(self, batches: list[Tensor]) -> tuple[float, float | None] | None:
        """Return error and loss of the best constant prediction; None if no target counts."""
        soft = any(targets.are_probabilities(self._family, target) for target in batches)
        counted = torch.cat([self._counted(target, soft) for target in batches])
        if not len(counted):
            return None
        if soft:
            mean = counted.mean(0)
            return 1 - float(mean.max()), float(torch.special.entr(mean).sum())
        error = self._family.chance(counted, self.outputs)
        return error, self._family.chance_loss(counted, self.outputs)

    def _counted(self, target: Tensor, soft: bool) -> Tensor:
        """Return the targets that count, classes as one-hot vectors if others are soft."""
        ignored = targets.ignored(self._family, target, self._ignore_index)
        target = target[~(ignored | targets.out_of_range(self._family, target, self.outputs))]
        if self._family.classes and target.ndim == 1:
            return functional.one_hot(target.long(), self.outputs).double() if soft else target
        return target.double()
