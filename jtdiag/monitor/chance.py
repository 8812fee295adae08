"""Error and loss without skill, as far as a training loop's targets tell them."""

import math

import torch
from torch import Tensor

from jtdiag.families.contract import Family
from jtdiag.monitor.batch_sums import Batch
from jtdiag.store.layout import TargetFacts


class Chance:
    """Error and loss without skill: of a guess among K classes, or of the best constant.

    The constant is found on the targets that are counted in the first epoch.
    """

    def __init__(self, family: Family, error: float | None, loss: float | None) -> None:
        self._family = family
        self.error = math.nan if error is None else error
        self.loss = loss
        self._given = error is not None
        self._targets: list[Tensor] | None = []
        self.outputs = 0
        """K, once a batch has told it."""

    @property
    def scale(self) -> float:
        """What errors are divided by to become fractions."""
        return self.error if self._family.relative else 1.0

    def facts(self) -> TargetFacts:
        """Return what a store must know of targets and errors.

        Raises:
            ValueError: if the error of a guess is not known.
        """
        if math.isnan(self.error):
            raise ValueError("a store must know the error of a guess; give chance_error=….")
        return TargetFacts(
            numbers=not self._family.classes,
            error_measure=self._family.error_measure,
            chance_error=self.error / self.scale,
            error_scale=self.scale,
        )

    def see(self, batch: Batch) -> None:
        """Note a batch's targets, in the first epoch and where they are numbers."""
        self.outputs = batch.values.shape[-1]
        if self._targets is not None and not self._family.classes and batch.target is not None:
            self._targets.append(batch.target)

    @torch.no_grad()
    def settle(self) -> None:
        """Find error and loss without skill, once."""
        if self._targets is None:
            return
        if self._family.classes and self.outputs:
            self.error = self.error if self._given else 1 - 1 / self.outputs
            self.loss = math.log(self.outputs) if self.loss is None else self.loss
        elif self._targets:
            target = torch.cat(self._targets).double()
            self.error = self.error if self._given else self._family.chance(target, self.outputs)
        self._targets = None
