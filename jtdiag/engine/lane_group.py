"""A group of lanes in one batched computation: weights, training epochs, evaluation.

Shape suffixes: L lanes, M members, K outputs, N examples of a split, B examples of a batch.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine import objectives, optimisers, seeds, starts, wording
from jtdiag.engine.architectures import factory
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack, in_precision
from jtdiag.engine.datasets.augmentation import Augmentation, draw
from jtdiag.engine.datasets.bootstrap import Bootstrap
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.engine.execution import ExecutionPlan
from jtdiag.engine.forward import Forward
from jtdiag.engine.modules.building import ModularNetwork
from jtdiag.engine.modules.contract import Batch, StepGradients
from jtdiag.engine.modules.lane_modules import LaneModules, joined
from jtdiag.engine.modules.module_means import ModuleMeans
from jtdiag.engine.modules.noise import Noise
from jtdiag.engine.ranks.division import WHOLE, Division
from jtdiag.engine.running_means import RunningMeans
from jtdiag.engine.stopping import StopRequest
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane

EVALUATION_BATCH = 1000
"""Examples per evaluation batch: large enough for fast products, small enough for the caches."""

Rows = dict[str, NDArray[np.float64]]
"""Metrics by name, (L, M) or (L,)."""

Shares = tuple[Tensor | None, Tensor | None]
"""Each member's share of an example's ensemble, and weights of the gradients; None: uniform."""
UNIFORM: Shares = (None, None)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Results of evaluating one split."""

    rows: Rows
    logits: Tensor | None
    """(L, M, K, N) on the device, in the dtype in which outputs are kept; None if not requested.
    Of the members or examples of this process."""


class LaneGroup:
    """Lanes that are trained in the same batched operations; their results are independent."""

    def __init__(
        self,
        recipe: Recipe,
        lanes: Sequence[Lane],
        data: DataSet,
        stack: ModuleStack,
        device: torch.device,
        plan: ExecutionPlan | None = None,
        *,
        micro_members: int | None = None,
        evaluation_batch: int = EVALUATION_BATCH,
        division: Division = WHOLE,
    ) -> None:
        self.recipe, self.lanes, self.data, self.stack = recipe, tuple(lanes), data, stack
        self.device, self.division = device, division
        self.members = division.members(stack.count)
        """Members whose weights are in this process; range(1) for branches of one network."""
        self._dtype = getattr(torch, recipe.engine.precision)
        self._alone = objectives.build(recipe, data.family, data.error_scale)
        self._objective = division.objective(self._alone, recipe.members.count)
        self._lam_L, self._mu = self._lam(1), recipe.mu_at(1)
        self._augment = self._augmentation()
        self._bootstrap = self._bootstraps()
        plan = plan or ExecutionPlan(execution=stack.executions[0])
        self._forward = Forward(stack, data.family, plan, device, self._dtype)
        self.micro_members = micro_members or len(self.members)
        """Number of members whose activations a step keeps at the same time."""
        self.evaluation_batch = evaluation_batch
        self._state = self._initial_state()
        self._start = {n: self._state[n].clone() for n in self._separate_parameters()}
        self.weights = {n: self._state[n].requires_grad_() for n in stack.parameters}
        self.buffers = {n: self._state[n] for n in stack.buffers}
        others = {n: self._state[n] for n in (*stack.frozen, *stack.buffers)}
        self._network = division.network(self._forward, self.weights, others)
        self._optimiser = optimisers.build(recipe.train)
        self._modules = self._lane_modules()
        self._trained = self.weights | self._auxiliaries
        self.memory = self._optimiser.start(self._trained)
        """State of the optimizer by name; the first axis is the lane."""

    @property
    def plan(self) -> ExecutionPlan:
        """How members are computed."""
        return self._forward.plan

    @plan.setter
    def plan(self, plan: ExecutionPlan) -> None:
        self._forward.plan = plan

    def _lane_modules(self) -> LaneModules | None:
        """Return the modules of the members, if they are trained one by one; group the weights."""
        network = ModularNetwork.of(self.recipe, self.data, self._forward)
        if network is None:
            return None
        self._optimiser = network.grouped(self._optimiser)
        return LaneModules(network, self.lanes, self.device, self._dtype)

    @property
    def _auxiliaries(self) -> dict[str, Tensor]:
        """Parameters that are learned beside the members, (L, M, …) by name."""
        return {} if self._modules is None else self._modules.auxiliaries

    def _separate_parameters(self) -> tuple[str, ...]:
        """Return the names of parameters that are not shared between members."""
        return () if self.recipe.members.branched else tuple(self.stack.parameters)

    def _per_lane(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self._dtype, device=self.device)

    def _lam(self, epoch: int) -> Tensor:
        """Return the scheduled λ of each lane, (L,)."""
        return self._per_lane([self.recipe.lam_at(lane.lam_index, epoch) for lane in self.lanes])

    def _initial_state(self) -> dict[str, Tensor]:
        """Return initial parameters and buffers (L, M, …), the same for every λ of a trial."""
        recipe, stack = self.recipe, self.stack
        trials = sorted({lane.trial for lane in self.lanes})
        initial = {t: starts.initial(recipe, stack, t, self.members) for t in trials}
        return {
            name: in_precision(
                torch.stack([initial[lane.trial][name] for lane in self.lanes]), self._dtype
            ).to(self.device)
            for name in (*stack.parameters, *stack.frozen, *stack.buffers)
        }

    @property
    def identical_members(self) -> bool:
        """Whether all members of the first lane have the same parameters."""
        if self.recipe.members.branched or len(self.members) == 1:
            return False
        return all(bool((w[0] == w[0, :1]).all()) for w in self.weights.values())

    # --- training --------------------------------------------------------------------------------

    def train_epoch(
        self, epoch: int, lams: Sequence[float] | None = None, stop: StopRequest | None = None
    ) -> Rows:
        """Train one epoch; return running means of the metrics, computed before each update.

        Args:
            epoch: The epoch; the first is 1.
            lams: λ of each lane; by default the scheduled values.
            stop: Asked after every batch whether to give up the epoch.
        """
        started = time.monotonic()
        lr_L = self._per_lane([self.recipe.lr(lane.lam_index, epoch) for lane in self.lanes])
        self._lam_L = self._lam(epoch) if lams is None else self._per_lane(lams)
        self._mu = self.recipe.mu_at(epoch)
        means = self._running_means()
        transforms, drops, ranks = self._transforms(epoch), self._drops(epoch), self._ranks(epoch)
        size = self.recipe.train.batch
        for i, index_LB in enumerate(torch.split(self._positions(ranks), size, 1)):
            part = slice(i * size, i * size + index_LB.shape[1])
            own = self.division.examples(index_LB.shape[1])
            x, target_LB = self._batch(index_LB[:, own], names.TRAIN)
            if self._augment is not None:
                x = self._augment(x, transforms[..., part][..., own].expand(-1, len(x), -1))
            shares = self._shares(drops, ranks[:, part])
            self._step((epoch, i), x, target_LB, lr_L, means, shares, positions=index_LB)
            if stop is not None:
                stop.within_epoch(started, min(1.0, part.stop / ranks.shape[1]))
        if self._own_batches:
            return self.measure(names.TRAIN, stop=stop).rows
        return means.means(self.division)

    def _bootstraps(self) -> Bootstrap | None:
        if self.recipe.scheme != "bagging":
            return None
        count = self.data.count(names.TRAIN)
        return Bootstrap(self.recipe, self.lanes, self.members, count, self.device)

    @property
    def _own_batches(self) -> bool:
        """Whether every member is trained on separate batches."""
        return self._bootstrap is not None and self._bootstrap.own

    def _augmentation(self) -> Augmentation | None:
        kinds, data = self.recipe.data.augment, self.data
        like = data.part(names.TRAIN).x
        return Augmentation.of(kinds, data.input_shape, data.moments, like) if kinds else None

    def _transforms(self, epoch: int) -> Tensor:
        """Draw the augmentation of each training image, (3, L, N), the same for every λ."""
        count = self.data.count(names.TRAIN)
        seed = self.recipe.seed
        drawn = {
            t: draw(count, seeds.augmentation(seed, t, epoch)) if self._augment else torch.zeros(0)
            for t in {lane.trial for lane in self.lanes}
        }
        return torch.stack([drawn[lane.trial] for lane in self.lanes], -2).to(self.device)

    def _drops(self, epoch: int) -> dict[int, torch.Generator]:
        """Return the generators, by trial, that drop members; they are the same for every λ."""
        trials = {lane.trial for lane in self.lanes} if self.recipe.objective.drop else ()
        seed = self.recipe.seed
        return {t: seeds.generator(seed, seeds.Purpose.DROP, t, epoch) for t in trials}

    def _kept(self, batch: int, drops: Mapping[int, torch.Generator]) -> Tensor:
        """Return 1 where a member is kept for an example of this batch, else 0, (L, M, B)."""
        shape, drop = (self.recipe.members.count, batch), self.recipe.objective.drop
        kept = {t: torch.rand(shape, generator=generator) >= drop for t, generator in drops.items()}
        return torch.stack([kept[lane.trial] for lane in self.lanes]).to(self.device, self._dtype)

    def _shares(self, drops: Mapping[int, torch.Generator], rank_LB: Tensor) -> Shares:
        """Return shares and weights of the members for the examples of a batch."""
        if drops:
            share, weight = objectives.shares_of_kept(self._kept(rank_LB.shape[1], drops))
            members = self.division.members(self.recipe.members.count)
            own = self.division.examples(rank_LB.shape[1])
            return share[:, members.start : members.stop, own], weight[..., own]
        if self._bootstrap is None or self._bootstrap.own:
            return UNIFORM
        return None, self._bootstrap.weights(rank_LB).to(self._dtype)

    def _step(
        self,
        step: tuple[int, int],
        x: Tensor,
        target_LB: Tensor,
        lr_L: Tensor,
        means: RunningMeans,
        shares: Shares = UNIFORM,
        *,
        positions: Tensor,
    ) -> None:
        """Take one training step, identified by its epoch and its number in the epoch.

        If members have separate batches, x and targets are (M, B, …). The positions (L, B) in the
        training part are those of all examples of the batch, also if this process has a part of it.
        """
        if self._modules is not None:
            batches = self._module_batches(step, x, target_LB, positions, shares)
            self._step_by_module(self._modules, step, batches, lr_L, means)
            return
        logits = self._step_logits(step, x)
        with torch.no_grad():
            if self._own_batches:  # members that see different examples form no ensemble
                by_logits = self._separate_gradient(logits, target_LB)
            else:
                losses, errors, by_logits = self._objective.step(
                    logits, target_LB, self._lam_L, *shares
                )
                means.add(logits.detach(), target_LB, losses, errors)
        if self._network is not None:  # the mean over processes becomes one over examples
            by_logits = by_logits * (self.division.ranks.count * x.shape[1] / positions.shape[1])
            gradients = self._network.gradients(logits, by_logits)
        elif self._all_at_once:
            gradients = _gradients(logits, self.weights, by_logits)
        else:
            gradients = self._chunked_gradients(step, x, by_logits)
        self._optimiser.step(self._trained, self.memory, gradients, lr_L)

    @property
    def _all_at_once(self) -> bool:
        return self.micro_members >= len(self.members)

    def _step_logits(self, step: tuple[int, int], x: Tensor) -> Tensor:
        """Return the logits (L, M, K, B) of a training step."""
        if self._network is not None:
            return self._network.logits(x)
        if self._all_at_once:
            return self._training_logits(step, 0, self._state, x)
        return self._chunked_logits(step, x)

    def _step_by_module(
        self,
        modules: LaneModules,
        step: tuple[int, int],
        batches: Sequence[tuple[int, Batch]],
        lr_L: Tensor,
        means: RunningMeans,
    ) -> None:
        """Take one training step in which modules are told separately what to change."""
        parts = []
        for member, batch in batches:
            with self._draws(step, member):
                parts.append(modules.step(batch))
        credited, target = joined(parts), batches[0][1].target
        means.add_by_module(
            self._objective,
            credited.logits,
            credited.local_logits,
            credited.features,
            target,
            credited.losses,
            credited.measured,
        )
        self._optimiser.step(self._trained, self.memory, credited.gradients, lr_L)

    def _module_batches(
        self,
        step: tuple[int, int],
        x: Tensor,
        target: Tensor,
        positions: Tensor,
        shares: Shares = UNIFORM,
    ) -> list[tuple[int, Batch]]:
        """Return the first member and the batch of each chunk of members; one if memory allows."""
        count, coupled = self.stack.count, self.recipe.modules.lam == "every"
        whole = Batch(
            state=self._state,
            auxiliaries=self._auxiliaries,
            x=x,
            target=target,
            positions=positions,
            epoch=step[0],
            noise=Noise(
                seed=self.recipe.seed, trials=[lane.trial for lane in self.lanes], step=step
            ),
            losses=StepGradients(
                objective=self._objective,
                target=target,
                lam_L=self._lam_L,
                local_lam_L=self._lam_L if coupled else torch.zeros_like(self._lam_L),
                shares=shares,
                members=count,
            ),
            members=count,
            mu=self._mu,
        )
        if self.micro_members >= count:
            return [(0, whole)]
        if coupled:
            raise RecipeError(wording.members_at_a_time(self.micro_members, count))
        logits = self._chunked_logits(step, x)
        by_logits = whole.losses.by_logits(logits)
        return [
            (chunk.start, whole.of_members(chunk, logits, by_logits))
            for chunk in self._member_chunks()
        ]

    def _separate_gradient(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the gradient with respect to the logits of members with separate batches.

        Each member is treated as a lane with an ensemble of one; Eq. 4 averages over M of them.
        """
        as_lanes = logits.transpose(0, 1)
        lam = self._lam_L.expand(len(as_lanes))
        _, by_logits = self._alone.losses_and_gradient(as_lanes, target, lam)
        return by_logits.transpose(0, 1) / self.stack.count

    def try_step(self, plan: ExecutionPlan) -> None:
        """Take one training step with a plan, to time it; optimizer state and buffers change."""
        self._forward.plan = plan
        ranks = self._ranks(1)[:, : self.recipe.train.batch]
        index_LB = self._positions(ranks)
        lr_L = self._per_lane([0.0] * len(self.lanes))
        shares = self._shares(self._drops(1), ranks)
        x, target_LB = self._batch(index_LB, names.TRAIN)
        means = self._running_means()
        self._step((0, 0), x, target_LB, lr_L, means, shares, positions=index_LB)

    def _member_chunks(self) -> Iterator[slice]:
        size, count = self.micro_members, len(self.members)
        return (slice(i, min(i + size, count)) for i in range(0, count, size))

    @torch.no_grad()
    def _chunked_logits(self, step: tuple[int, int], x: Tensor) -> Tensor:
        """Return all logits, chunk by chunk of members, without keeping activations.

        Buffers are copied: the second pass, for the gradients, updates them.
        """
        state = {**self._state, **{name: b.clone() for name, b in self.buffers.items()}}
        parts = [
            self._training_logits(
                step,
                chunk.start,
                {name: tensor[:, chunk] for name, tensor in state.items()},
                self._inputs(x, chunk),
            )
            for chunk in self._member_chunks()
        ]
        return torch.cat(parts, 1)

    def _chunked_gradients(
        self, step: tuple[int, int], x: Tensor, by_logits: Tensor
    ) -> dict[str, Tensor]:
        """Return the gradients, keeping the activations of one chunk of members at a time.

        The ensemble's mean needs all logits, which the first pass has computed. Given the gradient
        with respect to the logits, members no longer depend on each other.
        """
        parts = []
        for chunk in self._member_chunks():
            state = {name: tensor[:, chunk] for name, tensor in self._state.items()}
            weights = {name: state[name] for name in self.weights}
            logits = self._training_logits(step, chunk.start, state, self._inputs(x, chunk))
            parts.append(_gradients(logits, weights, by_logits[:, chunk]))
        return {name: torch.cat([part[name] for part in parts], 1) for name in self.weights}

    def _inputs(self, x: Tensor, chunk: slice) -> Tensor:
        """Return the training inputs of a chunk of members."""
        return x[chunk] if self._own_batches else x

    def _training_logits(
        self, step: tuple[int, int], member: int, state: State, x: Tensor
    ) -> Tensor:
        """Return logits in training mode; random draws, as of dropout, are the same for every λ."""
        with self._draws(step, member):
            return self._logits(state, x)

    def _draws(self, step: tuple[int, int], member: int) -> AbstractContextManager[None]:
        """Seed what members draw at random in a step, as dropout does; the same for every λ."""
        if not self.stack.draws:
            return nullcontext()
        trial, first = self.lanes[0].trial, self.members.start + member
        return seeds.global_generator(self.device, self.recipe.seed, trial, *step, first)

    def _logits(self, state: State, x: Tensor, *, training: bool = True) -> Tensor:
        """Return logits (L, M, K, B)."""
        if training and self._own_batches:  # a single lane: the axis of lanes is used for members
            as_lanes = {name: tensor.transpose(0, 1) for name, tensor in state.items()}
            return self._forward.logits(as_lanes, x, training=True).transpose(0, 1)
        return self._forward.logits(state, x, training=training)

    def _ranks(self, epoch: int) -> Tensor:
        """Return the order of training examples in an epoch, as ranks (L, N) in their split."""
        count, seed = self.data.count(names.TRAIN), self.recipe.seed
        trials = {lane.trial for lane in self.lanes}
        orders = {t: seeds.batch_order(count, seed, t, epoch) for t in trials}
        return torch.stack([orders[lane.trial] for lane in self.lanes]).to(self.device)

    def _order(self, epoch: int) -> Tensor:
        """Return the order of training examples in an epoch, as positions (L, N) in their part."""
        return self._positions(self._ranks(epoch))

    def _positions(self, rank_LN: Tensor) -> Tensor:
        """Return the positions of training examples; (M, N) if members have separate batches."""
        index = torch.stack([self.data.positions(names.TRAIN, lane.trial) for lane in self.lanes])
        if self._bootstrap is not None and self._bootstrap.own:
            rank_LN = self._bootstrap.samples(rank_LN)
            index = index.expand(len(rank_LN), -1)
        return index.to(self.device).gather(1, rank_LN)

    def _batch(self, index_LB: Tensor, split: str) -> tuple[Tensor, Tensor]:
        """Return inputs (L, B, …) and targets, (L, B) or (L, B, K), at positions (L, B)."""
        part, flat = self.data.part(split), index_LB.reshape(-1)
        return (
            part.x.index_select(0, flat).view(*index_LB.shape, *part.x.shape[1:]),
            part.y.index_select(0, flat).view(*index_LB.shape, *part.y.shape[1:]),
        )

    def _running_means(self) -> RunningMeans:
        return RunningMeans(
            len(self.lanes),
            len(self.division.members(self.recipe.members.count)),
            self.device,
            self._objective.errors,
            None if self._modules is None else ModuleMeans(len(self.lanes)),
        )

    # --- evaluation ------------------------------------------------------------------------------

    @torch.no_grad()
    def measure(
        self,
        split: str,
        keep: torch.dtype | None = None,
        part: slice = slice(None),
        stop: StopRequest | None = None,
    ) -> Measured:
        """Evaluate a split, or part of it, with the current weights.

        Args:
            split: The split.
            keep: dtype in which logits are returned; None returns none.
            part: Examples of the split to evaluate.
            stop: Asked after every batch whether to give up the epoch.
        """
        index_LN = torch.stack(
            [self.data.positions(split, lane.trial)[part] for lane in self.lanes]
        )
        index_LN = index_LN[:, self.division.examples(index_LN.shape[1])].to(self.device)
        kept: Tensor | None = None
        means = self._running_means()
        start = 0
        for index_LB in torch.split(index_LN, self.evaluation_batch, 1):
            x, target_LB = self._batch(index_LB, split)
            if self._modules is None:
                logits = self._logits(self._state, x, training=False)
                means.add(logits, target_LB, *self._objective.measured(logits, target_LB))
            else:
                examples = (split, part.start, part.stop, start)
                logits, features, local = self._modules.evaluate(self._state, x, examples)
                means.add_by_module(self._objective, logits, local, features, target_LB)
            if keep is not None:
                kept = (
                    logits.new_empty((*logits.shape[:3], index_LN.shape[1]), dtype=keep)
                    if kept is None
                    else kept
                )
                kept[..., start : start + logits.shape[3]] = logits
            start += logits.shape[3]
            if stop is not None:
                stop.within_evaluation()
        return Measured(rows=means.means(self.division), logits=kept)

    @torch.no_grad()
    def displacement(self) -> Rows:
        """Return the Euclidean distance of each member's parameters from initialization, (L, M).

        Empty if members are branches of one network, which share parameters.
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
        distances = torch.stack(squares).sum(0).sqrt().cpu().numpy()
        return {names.DISPLACEMENT: self.division.by_member(distances)}

    # --- state -----------------------------------------------------------------------------------

    @torch.no_grad()
    def of_lanes(self, indices: Sequence[int]) -> "LaneGroup":
        """Return a new group with some of the lanes, in their current state."""
        rows = list(indices)
        group = LaneGroup(
            self.recipe,
            [self.lanes[i] for i in rows],
            self.data,
            self.stack,
            self.device,
            self._forward.plan,
            micro_members=self.micro_members,
            evaluation_batch=self.evaluation_batch,
            division=self.division,
        )
        for source, target in (
            (self._state, group._state),
            (self._auxiliaries, group._auxiliaries),
            (self.memory, group.memory),
        ):
            for name, tensor in target.items():
                tensor.copy_(source[name][rows])
        return group

    def snapshot(self, index: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return copies, on the device, of a lane's weights and buffers and its optimizer state."""
        weights = self._state | self._auxiliaries
        return (
            {name: tensor.detach()[index].clone() for name, tensor in weights.items()},
            {name: tensor[index].clone() for name, tensor in self.memory.items()},
        )

    @torch.no_grad()
    def restore(self, states: Sequence[Mapping[str, NDArray[np.floating]]]) -> None:
        """Load weights, buffers and optimizer state, given one state per lane.

        Raises:
            RecipeError: if the members have other tensors than those that were saved.
        """
        weights = self._state | self._auxiliaries
        for index, state in enumerate(states):
            factory.require_stored(
                self.recipe.members,
                {name: tuple(tensor.shape[1:]) for name, tensor in weights.items()},
                {
                    name.removeprefix("weight/"): array.shape
                    for name, array in state.items()
                    if name.startswith("weight/")
                },
            )
            for kind, tensors in (("weight", weights), ("memory", self.memory)):
                for name, tensor in tensors.items():
                    tensor[index] = torch.from_numpy(state[f"{kind}/{name}"]).to(self.device)
        if self._modules is not None:
            self._modules.restored()


def _gradients(
    logits: Tensor, weights: Mapping[str, Tensor], by_logits: Tensor
) -> dict[str, Tensor]:
    # A parameter that takes no part in the forward pass has a gradient of 0.
    gradients = torch.autograd.grad(
        logits, list(weights.values()), by_logits, allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, gradients, strict=True))
