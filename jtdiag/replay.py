"""Rebuild the ensemble of a sealed epoch from its checkpoint, for what outputs cannot answer."""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from jtdiag.engine import architectures, datasets
from jtdiag.engine.architectures.factory import failure, require_stored
from jtdiag.engine.architectures.module_stack import Factory, in_precision
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.engine.loss import joint_loss
from jtdiag.engine.session import Session, torch_threads
from jtdiag.errors import DataError
from jtdiag.recipe import budget
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.sections import Data
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The members at the end of an epoch, with their data, on the CPU."""

    session: Session
    lane: Lane
    weights: dict[str, Tensor]
    """Parameters and buffers (M, …) by name, (1, …) for branches; without requires_grad."""

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
        """Load the members of one lane and epoch.

        Args:
            run: The run.
            lane: A λ and a trial of the run.
            epoch: A sealed epoch whose checkpoint is kept.
            factory: The factory passed to `train`, if the store has no address of it.
            beside: Another replay of the same run; its data are reused.

        Raises:
            StoreError: if the checkpoint is not kept.
            RecipeError: if the members are not those of the run any more.
            DataError: if the data are missing or have changed, or if the run was recorded from a
                user's training loop, which cannot be replayed.
        """
        if run.recorded:
            raise DataError(
                f"{run.path} was recorded from a user's training loop and cannot be replayed; "
                "run probes that need only outputs and metrics."
            )
        run.require_trusted_code()
        checkpoint = run.checkpoint(lane, epoch)
        if beside:
            session = beside.session
        else:
            session = Session.of(run.recipe, device="cpu", factory=factory)
            session.require_same_data(run)
        copies = session.stack.count
        require_stored(
            run.recipe.members,
            {n: (copies, *t.shape) for n, t in session.stack.tensors.items()},
            {name: array.shape for name, array in checkpoint.items()},
        )
        return cls(
            session=session,
            lane=lane,
            weights={name: torch.from_numpy(array.copy()) for name, array in checkpoint.items()},
        )

    def examples(self, split: str) -> tuple[Tensor, Tensor]:
        """Return inputs (n, …) and targets (n,) or (n, K) of a split, ordered like its outputs."""
        part = self.session.data.part(split)
        positions = self.session.data.positions(split, self.lane.trial)
        return part.x[positions], part.y[positions]

    def other_data(self, data: Data) -> DataSet:
        """Return other examples than those of the run, standardized as those of the run are.

        Args:
            data: Other classes of the run's data set, or another data set.

        Raises:
            DataError: if they do not exist, or their inputs have another shape than the run's.
        """
        own = self.session.data
        numbers = not own.family.classes
        arrays = datasets.load(data.name, Path(data.root), numbers=numbers, options=data.options)
        shape = arrays.x_train.shape[1:]
        if shape != own.input_shape:
            raise DataError(
                f"one example of {data.name} has shape {shape}, and the members take "
                f"{own.input_shape}; use data of that shape."
            )
        run = self.session.recipe
        recipe = Recipe(data=data, members=run.members, family=run.family, engine=run.engine)
        return DataSet(arrays, recipe, self.session.device, own.moments)

    @property
    def trained(self) -> dict[str, Tensor]:
        """The trained parameters among the weights, without buffers such as running statistics."""
        return {name: self.weights[name] for name in self.session.stack.parameters}

    @property
    def lam(self) -> float:
        """The lane's λ."""
        return self.session.recipe.lam[self.lane.lam_index]

    def threads(self) -> AbstractContextManager[None]:
        """Use the number of CPU threads that training would use, inside the context."""
        return torch_threads(self.session.threads)

    def double(self) -> "Replay":
        """Return the same members in float64; inputs must then be float64."""
        return self._in(torch.float64)

    def single(self) -> "Replay":
        """Return the same members in float32, as they were trained; inputs must then be float32."""
        return self._in(torch.float32)

    def _in(self, dtype: torch.dtype) -> "Replay":
        weights = {name: in_precision(w, dtype) for name, w in self.weights.items()}
        return replace(self, weights=weights)

    def with_spanned_inputs(self, x: Tensor) -> tuple["Replay", Tensor]:
        """Return members with the same outputs on examples, and fewer weights, and those examples.

        A first layer that is a matrix sees n examples only in the r ≤ n directions that they span;
        weights in other directions change nothing. In orthonormal coordinates of these directions,
        an example has r inputs. Members without such a layer, and members for which r is not
        smaller than the number of inputs, are returned as they are.

        Args:
            x: Inputs (n, …), in the dtype of the weights.
        """
        members, first = self.session.recipe.members, "layer1.weight"
        flat = x.flatten(1)
        if members.arch != "mlp" or len(flat) >= flat.shape[1]:
            return self, x
        left, sizes, right = torch.linalg.svd(flat, full_matrices=False)
        least = flat.shape[1] * torch.finfo(x.dtype).eps * sizes[0]
        rank = max(1, int((sizes > least).sum()))
        stack = architectures.build(members, (rank,), len(self.session.data.classes))
        weights = {**self.weights, first: self.weights[first] @ right[:rank].T}
        session = replace(self.session, stack=stack)
        return replace(self, session=session, weights=weights), left[:, :rank] * sizes[:rank]

    def logits(self, x: Tensor) -> Tensor:
        """Return the members' logits (M, n, K) for inputs (n, …), in nats."""
        return self.logits_of(self.weights, x)

    def logits_of(self, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Return the logits with some of the weights replaced.

        Raises:
            RecipeError: if a user's module fails.
        """
        stacked = {n: w.unsqueeze(0) for n, w in {**self.weights, **weights}.items()}
        with self._users_code(x):
            raw = self.session.stack(stacked, x.unsqueeze(0))[0].transpose(1, 2)
        return self.session.data.family.parameter(raw)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers of a member, the head last; only one if it cannot be cut.

        See `jtdiag.engine.architectures.parts`.
        """
        return self.session.stack.layers

    def features(self, x: Tensor, layer: str) -> Tensor:
        """Return what a layer of each member returns for inputs (n, …): features (M, n, …).

        Raises:
            DataError: if a member has no such layer, or it is the last one.
        """
        stop = self._number(layer)
        state = {name: weight.unsqueeze(0) for name, weight in self.weights.items()}
        return self.session.stack.run(state, x.unsqueeze(0), 0, stop)[0]

    def logits_from(self, h: Tensor, layer: str) -> Tensor:
        """Return the logits (M, n, K) that follow from features (M, n, …) of a layer, in nats.

        Raises:
            DataError: if a member has no such layer, or it is the last one.
        """
        start, stack = self._number(layer), self.session.stack
        state = {name: weight.unsqueeze(0) for name, weight in self.weights.items()}
        raw = stack.run(state, h.unsqueeze(0), start, len(stack.layers))[0]
        return self.session.data.family.parameter(raw.transpose(1, 2))

    def _number(self, layer: str) -> int:
        """Return the number of layers up to this one."""
        hidden = self.layers[:-1]
        if layer not in hidden:
            arch = self.session.recipe.members.arch
            listed = ", ".join(hidden) or f"none: members of arch = '{arch}' cannot be cut here"
            raise DataError(f"there is no hidden layer {layer!r}; hidden layers: {listed}.")
        return hidden.index(layer) + 1

    @contextmanager
    def _users_code(self, x: Tensor) -> Iterator[None]:
        """Report an error in a module that a user has written as theirs."""
        members = self.session.recipe.members
        if "factory" not in members.architecture.fields:
            yield
            return
        try:
            yield
        except Exception as error:  # user code may raise anything
            mode = "in evaluation mode"
            raise failure(members, mode, len(x), tuple(x.shape[1:]), error) from error

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the joint-training loss (Eq. 4) on examples at the lane's λ, in nats."""
        return self.loss_of(self.logits(x), target)

    def loss_of(self, logits: Tensor, target: Tensor, lam: float | None = None) -> Tensor:
        """Return the joint-training loss for logits (M, n, K) at lam or the lane's λ, in nats."""
        family, combiner = self.session.data.family, self.session.recipe.combiner
        weight = self.lam if lam is None else lam
        return joint_loss(logits, target, weight, family=family, combiner=combiner)


def parameters_per_member(run: Run) -> int:
    """Return the number of parameters of a member, from its checkpoints or else from the recipe.

    Frozen parameters count. Branches of one network have all its parameters.

    Raises:
        DataError: if no checkpoint is kept and the shape of the data cannot be determined.
        RecipeError: if no checkpoint is kept and a member cannot be built.
    """
    shapes = [*run.parameters.values(), *run.frozen.values()]
    if not shapes:
        data = run.recipe.data
        inputs = budget.data_shape(data.name, data.layout, data.keys).input_shape
        stack = architectures.build(run.recipe.members, inputs, run.outputs_per_member)
        every = (*stack.parameters.values(), *stack.frozen.values())
        shapes = [parameter.shape for parameter in every]
    return sum(math.prod(shape) for shape in shapes)
