"""Rebuilding the ensemble of a sealed epoch from its checkpoint, where outputs do not suffice."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jtdiag.engine.loss import joint_loss
from jtdiag.engine.session import Session
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
    def of(cls, run: Run, lane: Lane, epoch: int) -> "Replay":
        """Return the members of one lane and epoch.

        Raises:
            StoreError: if that checkpoint is not kept.
            DataError: if the run's data are not where its recipe says.
        """
        weights = _weights(run, lane, epoch)
        return cls(session=Session.of(run.recipe, device="cpu"), lane=lane, weights=weights)

    def at(self, run: Run, lane: Lane, epoch: int) -> "Replay":
        """Return the members of another lane and epoch of the same run, without loading its data.

        Raises:
            StoreError: if that checkpoint is not kept.
        """
        return replace(self, lane=lane, weights=_weights(run, lane, epoch))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the weights that are trained; the others are buffers."""
        return tuple(self.session.stack.parameters)

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


def _weights(run: Run, lane: Lane, epoch: int) -> dict[str, Tensor]:
    checkpoint = run.checkpoint(lane, epoch)
    return {name: torch.from_numpy(array.copy()) for name, array in checkpoint.items()}
