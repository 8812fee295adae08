"""Rebuilding the ensemble of a sealed epoch from its checkpoint, where outputs do not suffice."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jtdiag.engine.loss import joint_loss
from jtdiag.engine.session import Session, torch_threads
from jtdiag.lanes import Lane
from jtdiag.store import Run


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The members as they were at the end of an epoch, with the data they saw, on the CPU."""

    session: Session
    lane: Lane
    weights: dict[str, Tensor]
    """Parameters (M, …) by name; ask for gradients as you need them."""

    @classmethod
    def of(cls, run: Run, lane: Lane, epoch: int, *, beside: "Replay | None" = None) -> "Replay":
        """Return the members of one lane and epoch.

        Args:
            run: The run.
            lane: One of its lanes.
            epoch: A sealed epoch whose checkpoint is kept.
            beside: Another replay of the same run, whose data are used and not read again.

        Raises:
            StoreError: if that checkpoint is not kept.
            DataError: if the run's data are not where its recipe says.
        """
        checkpoint = run.checkpoint(lane, epoch)
        return cls(
            session=beside.session if beside else Session.of(run.recipe, device="cpu"),
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
        return self.session.stack(stacked, x.unsqueeze(0))[0].transpose(1, 2)

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the joint-training loss of the lane's λ (Eq. 4) on examples, in nats."""
        return self.loss_of(self.logits(x), target)

    def loss_of(self, logits: Tensor, target: Tensor, lam: float | None = None) -> Tensor:
        """Return the joint-training loss for logits (M, n, K), in nats; by default at its own λ."""
        return joint_loss(logits, target, self.lam if lam is None else lam)
