"""Rebuilding the ensemble of a sealed epoch from its checkpoint, where outputs do not suffice."""

from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.loss import joint_loss
from jtdiag.engine.members.module_stack import Factory
from jtdiag.engine.session import Session
from jtdiag.lanes import Lane
from jtdiag.store import Run


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The members as they were at the end of an epoch, with the data they saw, on the CPU."""

    session: Session
    lane: Lane
    weights: dict[str, Tensor]
    """Parameters (M, …) by name, or (1, …) of branches; ask for gradients as you need them."""

    @classmethod
    def of(cls, run: Run, lane: Lane, epoch: int, factory: Factory | None = None) -> "Replay":
        """Return the members of one lane and epoch.

        Args:
            run: The run.
            lane: One λ and trial of it.
            epoch: One with a checkpoint.
            factory: What was given to `train`, where the store has no address of it.

        Raises:
            StoreError: if that checkpoint is not kept.
            DataError: if the run's data are not where its recipe says.
        """
        checkpoint = run.checkpoint(lane, epoch)
        return cls(
            session=Session.of(run.recipe, device="cpu", factory=factory),
            lane=lane,
            weights={name: torch.from_numpy(array.copy()) for name, array in checkpoint.items()},
        )

    def examples(self, split: str) -> tuple[Tensor, Tensor]:
        """Return inputs (n, …) and targets (n,) or (n, K) of a split, as its outputs lie."""
        part, at = (
            self.session.data.part(split),
            self.session.data.positions(split, self.lane.trial),
        )
        return part.x[at], part.y[at]

    def logits(self, x: Tensor) -> Tensor:
        """Return what the members say of inputs (n, …), as (M, n, K) in nats."""
        stacked = {name: weight.unsqueeze(0) for name, weight in self.weights.items()}
        raw = self.session.stack(stacked, x.unsqueeze(0))[0].transpose(1, 2)
        return self.session.data.family.parameter(raw)

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the joint-training loss (Eq. 4) on examples, in nats, at the lane's own λ."""
        recipe, family = self.session.recipe, self.session.data.family
        lam = recipe.lam[self.lane.lam_index]
        return joint_loss(self.logits(x), target, lam, family=family, combiner=recipe.combiner)
