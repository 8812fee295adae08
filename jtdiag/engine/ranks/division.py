"""How a lane is divided over processes: not at all, by members, or by the examples of a batch.

Members have weights of their own, so every process has some of them, and batches are whole.
Branches share the weights of one network: every process has all of it, and a part of each batch.

Shape suffixes: L lanes, M members, K outputs, N examples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.engine.forward import Forward
from jtdiag.engine.objectives import TrainingObjective
from jtdiag.engine.ranks import objectives
from jtdiag.engine.ranks.network import SharedNetwork
from jtdiag.engine.ranks.processes import ALONE, Ranks

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Division:
    """A lane that is not divided; what is divided differently is said by subclasses."""

    ranks: Ranks = ALONE

    def members(self, count: int) -> range:
        """Return which of `count` members this process has."""
        return range(count)

    def members_here(self, count: int) -> int:
        """Return how many of `count` members all processes on this machine have together."""
        return count * self.ranks.here

    def examples(self, count: int) -> slice:
        """Return which of `count` examples this process computes."""
        return slice(0, count)

    def objective(self, whole: TrainingObjective, members: int) -> TrainingObjective:
        """Return the objective of the members of this process, given that of all members."""
        return whole

    def network(
        self, forward: Forward, weights: Mapping[str, Tensor], others: Mapping[str, Tensor]
    ) -> SharedNetwork | None:
        """Return the network that all processes have; None if each has members of its own.

        Args:
            forward: Its forward pass.
            weights: Its weights (L, 1, …), which are changed in place.
            others: Its other tensors.
        """
        return None

    def means(self, sums: Mapping[str, Tensor], examples: int) -> Arrays:
        """Return means (L, M) or (L,) over examples, of all members.

        Args:
            sums: Sums over the examples of this process, (L, M) or (L,), on the device.
            examples: Their number.
        """
        return {name: (total / examples).cpu().numpy() for name, total in sums.items()}

    def by_member(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return numbers (L, M) of all members, given those of this process."""
        return own

    def weights(self, own: Mapping[str, Tensor]) -> Mapping[str, NDArray[Any]]:
        """Return tensors (M, …), or (), of all members on rank 0, given those of this process.

        Args:
            own: On the CPU.
        """
        return {name: tensor.numpy() for name, tensor in own.items()}

    def logits(self, own: Mapping[str, Tensor]) -> Arrays:
        """Return logits (M, K, N) of all members and examples on rank 0; `own` is on the CPU."""
        return {name: tensor.numpy() for name, tensor in own.items()}

    def without_others(self) -> "Division":
        """Return the same part of the work, of which nothing is exchanged."""
        return Division()


WHOLE = Division()
"""A lane of one process."""


@dataclass(frozen=True, kw_only=True)
class OfMembers(Division):
    """Every process has some members of each lane."""

    exchanged: bool = True
    """Whether the processes know each other's members: not while one of them times its steps."""

    def members(self, count: int) -> range:
        """Return which of `count` members this process has."""
        rank, ranks = self.ranks.rank, self.ranks.count
        return range(rank * count // ranks, (rank + 1) * count // ranks)

    def members_here(self, count: int) -> int:
        """Return how many of `count` members all processes on this machine have together."""
        return -(-count * self.ranks.here // self.ranks.count)

    def objective(self, whole: TrainingObjective, members: int) -> TrainingObjective:
        """Return the objective of the members of this process, given that of all members."""
        return objectives.divided(whole, self.ranks, members) if self.exchanged else whole

    def means(self, sums: Mapping[str, Tensor], examples: int) -> Arrays:
        """Return means (L, M) or (L,) over examples, of all members."""
        parts = self.ranks.gather(super().means(sums, examples))
        return {
            name: own if own.ndim == 1 else np.concatenate([part[name] for part in parts], 1)
            for name, own in parts[0].items()
        }

    def by_member(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return numbers (L, M) of all members, given those of this process."""
        return np.concatenate(self.ranks.gather(own), 1)

    def weights(self, own: Mapping[str, Tensor]) -> Mapping[str, NDArray[Any]]:
        """Return tensors of all members on rank 0, which are collected as they are looked at."""
        return Collected(self.ranks, own)

    def logits(self, own: Mapping[str, Tensor]) -> Arrays:
        """Return logits (M, K, N) of all members and examples on rank 0; `own` is on the CPU."""
        return dict(Collected(self.ranks, own))

    def without_others(self) -> Division:
        """Return the same part of the work, of which nothing is exchanged."""
        return replace(self, exchanged=False)


@dataclass(frozen=True, kw_only=True)
class OfExamples(Division):
    """Every process has the whole network, and a part of every batch."""

    def examples(self, count: int) -> slice:
        """Return which of `count` examples this process computes."""
        rank, ranks = self.ranks.rank, self.ranks.count
        return slice(rank * count // ranks, (rank + 1) * count // ranks)

    def network(
        self, forward: Forward, weights: Mapping[str, Tensor], others: Mapping[str, Tensor]
    ) -> SharedNetwork | None:
        """Return the network, whose gradients are averaged over processes."""
        return SharedNetwork(forward, weights, others, self.ranks)

    def means(self, sums: Mapping[str, Tensor], examples: int) -> Arrays:
        """Return means (L, M) or (L,) over the examples of all processes."""
        own = {name: total.cpu().numpy() for name, total in sums.items()}
        parts = self.ranks.gather((own, examples))
        count = sum(examples for _, examples in parts)
        return {name: np.sum([part[name] for part, _ in parts], 0) / count for name in own}

    def logits(self, own: Mapping[str, Tensor]) -> Arrays:
        """Return logits (M, K, N) of all members and examples on rank 0; `own` is on the CPU."""
        by_example = {name: tensor.movedim(-1, 0) for name, tensor in own.items()}
        collected = Collected(self.ranks, by_example)
        return {name: np.moveaxis(array, 0, -1) for name, array in collected.items()}


class Collected(Mapping[str, NDArray[Any]]):
    """Tensors of all processes, joined along the first axis on rank 0 when they are looked at.

    So rank 0 never has to hold all of them. All processes must look at the same ones, in the same
    order; in the others the value is the own part.
    """

    def __init__(self, ranks: Ranks, own: Mapping[str, Tensor]) -> None:
        self._ranks, self._own = ranks, own

    def __getitem__(self, name: str) -> NDArray[Any]:
        own = self._own[name]  # without an axis, it is the same in every process
        return (self._ranks.collect(own) if own.ndim else own).numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)
