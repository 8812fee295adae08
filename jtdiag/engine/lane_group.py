"""A group of lanes in one batched computation: their weights, an epoch of steps, a measurement.

Shape suffixes: L lanes, M members, K outputs, N or B examples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine import loss, seeds
from jtdiag.engine.data import DataSet
from jtdiag.engine.members import MemberStack
from jtdiag.engine.sgd import SGD
from jtdiag.engine.tally import Tally
from jtdiag.lanes import Lane
from jtdiag.recipe import Recipe

EVALUATION_BATCH = 1000
"""Examples measured at once: large enough for the products, small enough for the caches."""

Rows = dict[str, NDArray[np.float64]]
"""Metrics by name, (L, M) or (L,)."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One split, measured without training."""

    rows: Rows
    logits: Tensor | None
    """(L, M, K, N) on the device, in the type in which outputs are kept; None unless asked for."""


class LaneGroup:
    """Lanes that take every step together; each lane's numbers are its own."""

    def __init__(
        self,
        recipe: Recipe,
        lanes: Sequence[Lane],
        data: DataSet,
        stack: MemberStack,
        device: torch.device,
    ) -> None:
        self.recipe, self.lanes, self.data, self.stack = recipe, tuple(lanes), data, stack
        self.device = device
        self._dtype = getattr(torch, recipe.engine.precision)
        self._lam_L = self._per_lane([recipe.lam[lane.lam_index] for lane in lanes])
        train = recipe.train
        self._sgd = SGD(
            momentum=train.momentum, nesterov=train.nesterov, weight_decay=train.weight_decay
        )
        self.weights = self._initial_weights()
        self.velocities = self._sgd.start(self.weights)

    def _per_lane(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self.device)

    def _initial_weights(self) -> dict[str, Tensor]:
        """Return weights (L, M, …): all lambdas of a trial start from the same ones."""
        trials = sorted({lane.trial for lane in self.lanes})
        seed = self.recipe.seed
        made = {
            t: self.stack.initial(seeds.generator(seed, seeds.Purpose.WEIGHTS, t)) for t in trials
        }
        stacked = {
            name: torch.stack([made[lane.trial][name] for lane in self.lanes])
            for name in self.stack.parameters
        }
        return {
            name: tensor.to(self.device, self._dtype).requires_grad_()
            for name, tensor in stacked.items()
        }

    # --- training --------------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> Rows:
        """Take one pass of steps; return running means, before each update, over its batches."""
        lr_L = self._per_lane([self.recipe.lr(lane.lam_index, epoch) for lane in self.lanes])
        tally = self._tally()
        for x, target_LB in self._batches(self._order(epoch), self.recipe.train.batch, names.TRAIN):
            self._step(x, target_LB, lr_L, tally)
        return tally.means()

    def _step(self, x: Tensor, target_LB: Tensor, lr_L: Tensor, tally: Tally) -> None:
        logits = self.stack(self.weights, x)
        with torch.no_grad():
            found, by_logits = loss.losses_and_gradient(logits, target_LB, self._lam_L)
        gradients = torch.autograd.grad(logits, list(self.weights.values()), by_logits)
        tally.add(logits.detach(), target_LB, found)
        named = dict(zip(self.weights, gradients, strict=True))
        self._sgd.step(self.weights, self.velocities, named, lr_L)

    def _order(self, epoch: int) -> Tensor:
        """Return positions (L, N) of the training examples in the order of this epoch."""
        orders = {}
        for trial in {lane.trial for lane in self.lanes}:
            positions = self.data.positions(names.TRAIN, trial)
            order = seeds.batch_order(len(positions), self.recipe.seed, trial, epoch)
            orders[trial] = positions[order]
        return torch.stack([orders[lane.trial] for lane in self.lanes]).to(self.device)

    def _batches(self, at_LN: Tensor, size: int, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (L, B, …) and targets (L, B) at positions (L, N), in order."""
        part = self.data.part(split)
        lanes, count = at_LN.shape
        for start in range(0, count, size):
            at = at_LN[:, start : start + size]
            flat = at.reshape(-1)
            yield (
                part.x[flat].view(lanes, at.shape[1], *part.x.shape[1:]),
                part.y[flat].view(lanes, -1),
            )

    def _tally(self) -> Tally:
        return Tally(len(self.lanes), self.recipe.members.count, self.device)

    # --- measuring -------------------------------------------------------------------------------

    @torch.no_grad()
    def measure(self, split: str, keep: torch.dtype | None = None) -> Measured:
        """Measure a split with the weights as they are; keep its logits in a type, if asked to."""
        at_LN = torch.stack([self.data.positions(split, lane.trial) for lane in self.lanes])
        kept: Tensor | None = None
        tally = self._tally()
        start = 0
        for x, target_LB in self._batches(at_LN.to(self.device), EVALUATION_BATCH, split):
            logits = self.stack(self.weights, x)
            tally.add(logits, target_LB, loss.losses(logits, target_LB))
            if keep is not None:
                kept = (
                    logits.new_empty((*logits.shape[:3], at_LN.shape[1]), dtype=keep)
                    if kept is None
                    else kept
                )
                kept[..., start : start + logits.shape[3]] = logits
            start += logits.shape[3]
        return Measured(rows=tally.means(), logits=kept)

    # --- state -----------------------------------------------------------------------------------

    def snapshot(self, index: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return copies, on the device, of one lane's weights and velocities (M, …)."""
        return (
            {name: weight.detach()[index].clone() for name, weight in self.weights.items()},
            {name: velocity[index].clone() for name, velocity in self.velocities.items()},
        )

    @torch.no_grad()
    def restore(self, states: Sequence[Mapping[str, NDArray[np.floating]]]) -> None:
        """Take over weights and velocities from one state for each lane."""
        for index, state in enumerate(states):
            for kind, tensors in (("weight", self.weights), ("velocity", self.velocities)):
                for name, tensor in tensors.items():
                    tensor[index] = torch.from_numpy(state[f"{kind}/{name}"]).to(self.device)
