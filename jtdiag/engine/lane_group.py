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
from jtdiag.engine import objectives, optimisers, seeds
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.datasets.augmentation import Augmentation, draw
from jtdiag.engine.datasets.bootstrap import Bootstrap
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.engine.execution import Way
from jtdiag.engine.loss import StepLosses
from jtdiag.engine.running_means import Tally
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane

EVALUATION_BATCH = 1000
"""Examples measured at once: large enough for the products, small enough for the caches."""

Rows = dict[str, NDArray[np.float64]]
"""Metrics by name, (L, M) or (L,)."""

Shares = tuple[Tensor | None, Tensor | None]
"""Members' parts of an example's ensemble, and what their gradients weigh; None: all the same."""
ALIKE: Shares = (None, None)


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
        stack: ModuleStack,
        device: torch.device,
        way: Way | None = None,
        *,
        at_once: int | None = None,
        evaluation_batch: int = EVALUATION_BATCH,
    ) -> None:
        self.recipe, self.lanes, self.data, self.stack = recipe, tuple(lanes), data, stack
        self.device = device
        self._dtype = getattr(torch, recipe.engine.precision)
        self._objective = objectives.build(recipe, data.family, data.error_scale)
        self._lam_L = self._lam(1)
        self._optimiser = optimisers.build(recipe.train)
        self._augment = self._augmentation()
        self._bootstrap = self._bootstraps()
        self.way = way or Way(execution=stack.executions[0], bfloat16=False)
        self.at_once = at_once or stack.count
        """Members whose activations are held at once in a step."""
        self.evaluation_batch = evaluation_batch
        self._state = self._initial_state()
        self._start = {n: self._state[n].clone() for n in self._moving()}
        self.weights = {n: self._state[n].requires_grad_() for n in stack.parameters}
        self.buffers = {n: self._state[n] for n in stack.buffers}
        self.memory = self._optimiser.start(self.weights)
        """What the optimiser remembers, by name; the first axis is the lane."""

    def _moving(self) -> tuple[str, ...]:
        """Return the parameters that every member has of its own."""
        return () if self.recipe.members.branched else tuple(self.stack.parameters)

    def _per_lane(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self.device)

    def _lam(self, epoch: int) -> Tensor:
        """Return the λ that the schedule has for each lane's epoch, (L,)."""
        return self._per_lane([self.recipe.lam_at(lane.lam_index, epoch) for lane in self.lanes])

    def _initial_state(self) -> dict[str, Tensor]:
        """Return parameters and buffers (L, M, …): all lambdas of a trial start from the same."""
        trials = sorted({lane.trial for lane in self.lanes})
        seed = self.recipe.seed
        made = {
            t: self.stack.initial(seeds.generator(seed, seeds.Purpose.WEIGHTS, t)) for t in trials
        }
        return {
            name: torch.stack([made[lane.trial][name] for lane in self.lanes]).to(
                self.device, self._dtype
            )
            for name in (*self.stack.parameters, *self.stack.buffers)
        }

    # --- training --------------------------------------------------------------------------------

    def train_epoch(self, epoch: int, lams: Sequence[float] | None = None) -> Rows:
        """Take one pass of steps; return running means, before each update, over its batches.

        Args:
            epoch: 1 is the first.
            lams: λ of each lane; by default the schedule's.
        """
        lr_L = self._per_lane([self.recipe.lr(lane.lam_index, epoch) for lane in self.lanes])
        self._lam_L = self._lam(epoch) if lams is None else self._per_lane(lams)
        tally = self._tally()
        moves, drops, ranks = self._moves(epoch), self._drops(epoch), self._ranks(epoch)
        size = self.recipe.train.batch
        for i, (x, target_LB) in enumerate(self._batches(self._at(ranks), size, names.TRAIN)):
            part = slice(i * size, i * size + x.shape[1])
            if self._augment is not None:
                x = self._augment(x, moves[..., part].expand(-1, len(x), -1))
            shares = self._shares(drops, ranks[:, part])
            self._step((epoch, i), x, target_LB, lr_L, tally, shares)
        return self.measure(names.TRAIN).rows if self._own_batches else tally.means()

    def _bootstraps(self) -> Bootstrap | None:
        if self.recipe.scheme != "bagging":
            return None
        return Bootstrap(self.recipe, self.lanes, self.data.count(names.TRAIN), self.device)

    @property
    def _own_batches(self) -> bool:
        """Whether every member takes steps on examples of its own."""
        return self._bootstrap is not None and self._bootstrap.own

    def _augmentation(self) -> Augmentation | None:
        kinds, data = self.recipe.data.augment, self.data
        like = data.part(names.TRAIN).x
        return Augmentation.of(kinds, data.input_shape, data.moments, like) if kinds else None

    def _moves(self, epoch: int) -> Tensor:
        """Return how each training image moves in this epoch, (3, L, N), equal at every λ."""
        count = self.data.count(names.TRAIN)
        seed = self.recipe.seed
        drawn = {
            t: draw(count, seeds.augmentation(seed, t, epoch)) if self._augment else torch.zeros(0)
            for t in {lane.trial for lane in self.lanes}
        }
        return torch.stack([drawn[lane.trial] for lane in self.lanes], -2).to(self.device)

    def _drops(self, epoch: int) -> dict[int, torch.Generator]:
        """Return what decides by trial who is dropped in this epoch, the same at every λ."""
        trials = {lane.trial for lane in self.lanes} if self.recipe.objective.drop else ()
        which = seeds.Purpose.DROP
        return {t: seeds.generator(self.recipe.seed, which, t, epoch) for t in trials}

    def _kept(self, batch: int, drops: Mapping[int, torch.Generator]) -> Tensor:
        """Return 1 where a member counts for an example of this step and 0 elsewhere, (L, M, B)."""
        shape, drop = (self.recipe.members.count, batch), self.recipe.objective.drop
        kept = {t: torch.rand(shape, generator=generator) >= drop for t, generator in drops.items()}
        return torch.stack([kept[lane.trial] for lane in self.lanes]).to(self.device, self._dtype)

    def _shares(self, drops: Mapping[int, torch.Generator], rank_LB: Tensor) -> Shares:
        """Return what each member's examples of a step count for."""
        if drops:
            return objectives.shares_of_kept(self._kept(rank_LB.shape[1], drops))
        if self._bootstrap is None or self._bootstrap.own:
            return ALIKE
        return None, self._bootstrap.weights(rank_LB).to(self._dtype)

    def _step(
        self,
        at: tuple[int, int],
        x: Tensor,
        target_LB: Tensor,
        lr_L: Tensor,
        tally: Tally,
        shares: Shares = ALIKE,
    ) -> None:
        """Take the step `at`, an epoch and its number in there.

        Where members have batches of their own, x and targets are (M, B, …).
        """
        whole = self.at_once >= self.stack.count
        logits = self._drawn(at, 0, self._state, x) if whole else self._logits_in_pieces(at, x)
        with torch.no_grad():
            found, by_logits = self._losses_and_gradient(logits, target_LB, shares)
        if whole:
            gradients = _gradients(logits, self.weights, by_logits)
        else:
            gradients = self._gradients_in_pieces(at, x, by_logits)
        if not self._own_batches:  # members that see different examples are no ensemble there
            tally.add(logits.detach(), target_LB, found)
        self._optimiser.step(self.weights, self.memory, gradients, lr_L)

    def _losses_and_gradient(
        self, logits: Tensor, target: Tensor, shares: Shares
    ) -> tuple[StepLosses, Tensor]:
        """Return the losses and the gradient of the lanes' objective by the logits."""
        if not self._own_batches:
            return self._objective.losses_and_gradient(logits, target, self._lam_L, *shares)
        # Each member takes a lane's place, as an ensemble of one; Eq. 4 averages over M of them.
        apart, members = logits.transpose(0, 1), self.stack.count
        lam = self._lam_L.expand(members)
        found, by_logits = self._objective.losses_and_gradient(apart, target, lam)
        return found, by_logits.transpose(0, 1) / members

    def try_step(self, way: Way) -> None:
        """Take one training step in a way, for its time; the weights move."""
        self.way = way
        ranks = self._ranks(1)[:, : self.recipe.train.batch]
        at_LN = self._at(ranks)
        lr_L = self._per_lane([0.0] * len(self.lanes))
        shares = self._shares(self._drops(1), ranks)
        for x, target_LB in self._batches(at_LN, at_LN.shape[1], names.TRAIN):
            self._step((0, 0), x, target_LB, lr_L, self._tally(), shares)

    def _pieces(self) -> Iterator[slice]:
        size, count = self.at_once, self.stack.count
        return (slice(i, min(i + size, count)) for i in range(0, count, size))

    @torch.no_grad()
    def _logits_in_pieces(self, at: tuple[int, int], x: Tensor) -> Tensor:
        """Return all logits without keeping activations; the buffers move in the second pass."""
        state = {**self._state, **{name: b.clone() for name, b in self.buffers.items()}}
        parts = [
            self._drawn(
                at, piece.start, {n: t[:, piece] for n, t in state.items()}, self._seen(x, piece)
            )
            for piece in self._pieces()
        ]
        return torch.cat(parts, 1)

    def _gradients_in_pieces(
        self, at: tuple[int, int], x: Tensor, by_logits: Tensor
    ) -> dict[str, Tensor]:
        """Return the same gradients with the activations of some members at a time.

        The ensemble's mean needs all logits, so they are known already; given their gradient,
        members no longer depend on each other.
        """
        parts = []
        for piece in self._pieces():
            state = {name: tensor[:, piece] for name, tensor in self._state.items()}
            weights = {name: state[name] for name in self.weights}
            logits = self._drawn(at, piece.start, state, self._seen(x, piece))
            parts.append(_gradients(logits, weights, by_logits[:, piece]))
        return {name: torch.cat([part[name] for part in parts], 1) for name in self.weights}

    def _seen(self, x: Tensor, piece: slice) -> Tensor:
        """Return the inputs that a piece of the members sees in training."""
        return x[piece] if self._own_batches else x

    def _drawn(self, at: tuple[int, int], member: int, state: State, x: Tensor) -> Tensor:
        """Return training logits; what members draw is the recipe's, the same at every λ."""
        if not self.stack.draws:
            return self._logits(state, x)
        trial = self.lanes[0].trial
        with seeds.torchs_own(self.device, self.recipe.seed, trial, *at, member):
            return self._logits(state, x)

    def _logits(self, state: State, x: Tensor, *, training: bool = True) -> Tensor:
        """Return logits (L, M, K, B) in the weights' type, whatever that of the products."""
        self.stack.execution, self.stack.channels_last = self.way.execution, self.way.channels_last
        if training and self._own_batches:  # of one lane: every member takes a lane's place
            apart = {name: tensor.transpose(0, 1) for name, tensor in state.items()}
            return self._called(apart, x, training).transpose(0, 1)
        return self._called(state, x, training)

    def _called(self, state: State, x: Tensor, training: bool) -> Tensor:
        if not self.way.bfloat16:
            raw = self.stack(state, x, training=training)
        else:
            with torch.autocast(self.device.type, torch.bfloat16):
                raw = self.stack(state, x, training=training).to(self._dtype)
        family = self.data.family
        return raw if family.free else family.parameter(raw.transpose(2, 3)).transpose(2, 3)

    def _ranks(self, epoch: int) -> Tensor:
        """Return ranks (L, N) of the training examples in their split, in this epoch's order."""
        count, seed = self.data.count(names.TRAIN), self.recipe.seed
        trials = {lane.trial for lane in self.lanes}
        orders = {t: seeds.batch_order(count, seed, t, epoch) for t in trials}
        return torch.stack([orders[lane.trial] for lane in self.lanes]).to(self.device)

    def _order(self, epoch: int) -> Tensor:
        """Return positions (L, N) of the training examples in the order of this epoch."""
        return self._at(self._ranks(epoch))

    def _at(self, rank_LN: Tensor) -> Tensor:
        """Return the positions of training examples by their ranks; (M, N) of members' own."""
        at = torch.stack([self.data.positions(names.TRAIN, lane.trial) for lane in self.lanes])
        if self._bootstrap is not None and self._bootstrap.own:
            rank_LN = self._bootstrap.samples(rank_LN)
            at = at.expand(len(rank_LN), -1)
        return at.to(self.device).gather(1, rank_LN)

    def _batches(self, at_LN: Tensor, size: int, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (L, B, …) and targets (L, B) or (L, B, K) at positions (L, N), in order."""
        part = self.data.part(split)
        lanes, count = at_LN.shape
        for start in range(0, count, size):
            at = at_LN[:, start : start + size]
            flat = at.reshape(-1)
            yield (
                part.x[flat].view(lanes, at.shape[1], *part.x.shape[1:]),
                part.y[flat].view(lanes, at.shape[1], *part.y.shape[1:]),
            )

    def _tally(self) -> Tally:
        return Tally(
            len(self.lanes), self.recipe.members.count, self.device, self._objective.errors
        )

    # --- measuring -------------------------------------------------------------------------------

    @torch.no_grad()
    def measure(
        self, split: str, keep: torch.dtype | None = None, part: slice = slice(None)
    ) -> Measured:
        """Measure a split, or a part, with the weights as they are; keep logits if given a type."""
        at_LN = torch.stack([self.data.positions(split, lane.trial)[part] for lane in self.lanes])
        kept: Tensor | None = None
        tally = self._tally()
        start = 0
        for x, target_LB in self._batches(at_LN.to(self.device), self.evaluation_batch, split):
            logits = self._logits(self._state, x, training=False)
            tally.add(logits, target_LB, self._objective.losses(logits, target_LB))
            if keep is not None:
                kept = (
                    logits.new_empty((*logits.shape[:3], at_LN.shape[1]), dtype=keep)
                    if kept is None
                    else kept
                )
                kept[..., start : start + logits.shape[3]] = logits
            start += logits.shape[3]
        return Measured(rows=tally.means(), logits=kept)

    @torch.no_grad()
    def displacement(self) -> Rows:
        """Return how far each member's parameters are from epoch 0, (L, M), Euclidean.

        Nothing where members are branches of one network: they move together.
        """
        if not self._start:
            return {}
        squares = [
            (self.weights[name] - start)
            .view(*start.shape[:2], -1)
            .square()
            .sum(-1, dtype=torch.float64)
            for name, start in self._start.items()
        ]
        return {names.DISPLACEMENT: torch.stack(squares).sum(0).sqrt().cpu().numpy()}

    # --- state -----------------------------------------------------------------------------------

    @torch.no_grad()
    def of_lanes(self, indices: Sequence[int]) -> "LaneGroup":
        """Return a group of some of the lanes, as they are now."""
        at = list(indices)
        made = LaneGroup(
            self.recipe,
            [self.lanes[i] for i in at],
            self.data,
            self.stack,
            self.device,
            self.way,
            at_once=self.at_once,
            evaluation_batch=self.evaluation_batch,
        )
        for mine, theirs in ((self._state, made._state), (self.memory, made.memory)):
            for name, tensor in theirs.items():
                tensor.copy_(mine[name][at])
        return made

    def snapshot(self, index: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return copies, on the device, of one lane: its whole state, the optimiser's memory."""
        return (
            {name: tensor.detach()[index].clone() for name, tensor in self._state.items()},
            {name: tensor[index].clone() for name, tensor in self.memory.items()},
        )

    @torch.no_grad()
    def restore(self, states: Sequence[Mapping[str, NDArray[np.floating]]]) -> None:
        """Take over weights, buffers and the optimiser's memory from one state for each lane."""
        for index, state in enumerate(states):
            for kind, tensors in (("weight", self._state), ("memory", self.memory)):
                for name, tensor in tensors.items():
                    tensor[index] = torch.from_numpy(state[f"{kind}/{name}"]).to(self.device)


def _gradients(
    logits: Tensor, weights: Mapping[str, Tensor], by_logits: Tensor
) -> dict[str, Tensor]:
    found = torch.autograd.grad(logits, list(weights.values()), by_logits)
    return dict(zip(weights, found, strict=True))
