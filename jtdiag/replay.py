"""Rebuilding the ensemble of a sealed epoch from its checkpoint, where outputs do not suffice."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jtdiag.engine import architectures
from jtdiag.engine.architectures.module_stack import Factory
from jtdiag.engine.loss import joint_loss
from jtdiag.engine.session import Session, torch_threads
from jtdiag.errors import DataError
from jtdiag.recipe import budget
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The members as they were at the end of an epoch, with the data they saw, on the CPU."""

    session: Session
    lane: Lane
    weights: dict[str, Tensor]
    """Parameters (M, …) by name, or (1, …) of branches; ask for gradients as you need them."""

    @classmethod
    def of(
        cls,
        run: Run,
        lane: Lane,
        epoch: int,
        *,
        factory: Factory | None = None,
        beside: "Replay | None" = None,
    ) -> "Replay":
        """Return the members of one lane and epoch.

        Args:
            run: The run.
            lane: One λ and trial of it.
            epoch: A sealed epoch whose checkpoint is kept.
            factory: What was given to `train`, where the store has no address of it.
            beside: Another replay of the same run, whose data are used and not read again.

        Raises:
            StoreError: if that checkpoint is not kept.
            DataError: if the run's data are not where its recipe says; or if the run was recorded
                from a loop of its user's, which cannot be repeated.
        """
        if run.recorded:
            raise DataError(
                f"{run.path} was recorded from a training loop of its user's, whose data and code "
                "are not known here; ask probes that need outputs and metrics alone."
            )
        checkpoint = run.checkpoint(lane, epoch)
        return cls(
            session=beside.session
            if beside
            else Session.of(run.recipe, device="cpu", factory=factory),
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

    @property
    def trained(self) -> dict[str, Tensor]:
        """Those of the weights that are trained; the others are running statistics."""
        return {name: self.weights[name] for name in self.session.stack.parameters}

    @property
    def lam(self) -> float:
        """The lane's λ."""
        return self.session.recipe.lam[self.lane.lam_index]

    def threads(self) -> AbstractContextManager[None]:
        """Compute with the CPU threads that the engine would use for members of this size."""
        return torch_threads(self.session.threads)

    def double(self) -> "Replay":
        """Return the same members in float64; give them inputs in float64."""
        return replace(self, weights={name: w.double() for name, w in self.weights.items()})

    def logits(self, x: Tensor) -> Tensor:
        """Return what the members say of inputs (n, …), as (M, n, K) in nats."""
        return self.logits_of(self.weights, x)

    def logits_of(self, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Return what the members would say with other weights; what is not given stays."""
        stacked = {n: w.unsqueeze(0) for n, w in {**self.weights, **weights}.items()}
        raw = self.session.stack(stacked, x.unsqueeze(0))[0].transpose(1, 2)
        return self.session.data.family.parameter(raw)

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the joint-training loss (Eq. 4) on examples, in nats, at the lane's own λ."""
        return self.loss_of(self.logits(x), target)

    def loss_of(self, logits: Tensor, target: Tensor, lam: float | None = None) -> Tensor:
        """Return the joint-training loss for logits (M, n, K), in nats; by default at its own λ."""
        family, combiner = self.session.data.family, self.session.recipe.combiner
        weight = self.lam if lam is None else lam
        return joint_loss(logits, target, weight, family=family, combiner=combiner)


def parameters_per_member(run: Run) -> int:
    """Return how many parameters a member has: by the checkpoints, or else by the recipe.

    Where members are branches of one network it is the network's.

    Raises:
        DataError: if no checkpoint is kept and the shape of the data is not known.
        RecipeError: if no checkpoint is kept and a member cannot be made.
    """
    shapes = list(run.parameters.values())
    if not shapes:
        inputs = budget.data_shape(run.recipe.data.name).input_shape
        stack = architectures.build(run.recipe.members, inputs, run.outputs_per_member)
        shapes = [parameter.shape for parameter in stack.parameters.values()]
    return sum(math.prod(shape) for shape in shapes)
