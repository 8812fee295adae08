"""Rebuilding the ensemble of a sealed epoch from its checkpoint, where outputs do not suffice."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag import budget
from jtdiag.engine import members
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
        """Return inputs (n, …) and targets (n,) of a split, in the order of its outputs."""
        part, at = (
            self.session.data.part(split),
            self.session.data.positions(split, self.lane.trial),
        )
        return part.x[at], part.y[at]

    def logits(self, x: Tensor) -> Tensor:
        """Return what the members say of inputs (n, …), as (M, n, K) in nats."""
        stacked = {name: weight.unsqueeze(0) for name, weight in self.weights.items()}
        return self.session.stack(stacked, x.unsqueeze(0))[0].transpose(1, 2)

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the joint-training loss of the lane's λ (Eq. 4) on examples, in nats."""
        lam = self.session.recipe.lam[self.lane.lam_index]
        return joint_loss(self.logits(x), target, lam)


def parameters_per_member(run: Run) -> int:
    """Return how many parameters a member has: by the checkpoints, or else by the recipe.

    Raises:
        DataError: if no checkpoint is kept and the shape of the data is not known.
        RecipeError: if no checkpoint is kept and a member cannot be made.
    """
    shapes = list(run.parameters.values())
    if not shapes:
        inputs = budget.data_shape(run.recipe.data.name).input_shape
        stack = members.build(run.recipe.members, inputs, run.outputs_per_member)
        shapes = [parameter.shape for parameter in stack.parameters.values()]
    return sum(math.prod(shape) for shape in shapes)
