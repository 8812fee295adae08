"""What a credit provides: the gradients of one training step, given the modules of the members.

A third-party package adds one with a `jtdiag.recipe.modules.CreditRecord` as entry point of
``jtdiag.credits``; the manual has an example, "A credit of one's own".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.engine.forward import Forward
from jtdiag.engine.loss import StepLosses
from jtdiag.engine.modules.cuts import Module
from jtdiag.engine.modules.noise import Noise
from jtdiag.engine.objectives import TrainingObjective
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.layout import Parameter


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a credit is built from."""

    recipe: Recipe
    modules: Sequence[Module]
    """Modules of a member, from the input to the head."""
    features: Sequence[tuple[int, ...]]
    """Shape of what each hidden module returns for one example, such as (64,) or (C, H, W)."""
    data: DataSet
    forward: Forward

    def run(self, state: State, module: Module, h: Tensor, *, training: bool = True) -> Tensor:
        """Return features (L, M, B, …) of a hidden module, or logits (L, M, K, B) of the last one.

        Args:
            state: Parameters and buffers (L, M, …) by name.
            module: One of `modules`.
            h: Inputs (L, B, …) of the first module, else features of the one before it.
            training: Normalize by batch statistics and update the buffers in place, if any.
        """
        return self.forward.layers(state, h, module.start, module.stop, training=training)

    @property
    def outputs(self) -> int:
        """Number of outputs K of a member."""
        return len(self.data.classes)


@dataclass(frozen=True, kw_only=True)
class StepGradients:
    """Gradients of the losses of one training step with respect to logits (L, M, K, B)."""

    objective: TrainingObjective
    target: Tensor
    lam_L: Tensor
    """λ of each lane."""
    local_lam_L: Tensor
    """λ of the local heads: 0 unless they are coupled at every depth."""
    shares: tuple[Tensor | None, Tensor | None]
    """Each member's share of an example's ensemble, and weights of the gradients."""
    members: int
    """Number of members M."""
    known: Tensor | None = None
    """Gradient with respect to the members' logits, if it has been computed."""
    every: Tensor | None = None
    """Logits (L, M, K, B) of all members, where a batch contains only some of them."""
    first: int = 0
    """Number of the first of them."""

    @torch.no_grad()
    def by_logits(self, logits: Tensor) -> Tensor:
        """Return the gradient of the members' loss L_λ with respect to their logits."""
        if self.known is not None:
            return self.known
        return self.objective.losses_and_gradient(logits, self.target, self.lam_L, *self.shares)[1]

    @torch.no_grad()
    def by_local_logits(self, logits: Tensor) -> Tensor:
        """Return the gradient of the loss of the local heads of one module."""
        # Bootstrap weights of the examples apply to local heads too; dropped members do not.
        shares = self.shares if self.shares[0] is None else (None, None)
        lam_L = self.local_lam_L
        gradient = self.objective.losses_and_gradient(logits, self.target, lam_L, *shares)[1]
        return gradient * (logits.shape[1] / self.members)

    @torch.no_grad()
    def by_all_logits(
        self, logits: Sequence[Tensor], local_logits: Sequence[Tensor]
    ) -> tuple[list[Tensor], StepLosses | None]:
        """Return `by_logits` and, of several modules, `by_local_logits`.

        Also the losses, with the members and each module as lanes, if one computation serves all:
        unless members are dropped, or computed chunk by chunk.

        Args:
            logits: Of the members; one, or none if only those of modules are known.
            local_logits: Of the local heads of some modules.
        """
        share, weight = self.shares
        if self.known is not None or share is not None:
            local = [self.by_local_logits(own) for own in local_logits]
            return [*map(self.by_logits, logits), *local], None
        every = [*logits, *local_logits]
        lams = [self.lam_L] * len(logits) + [self.local_lam_L] * len(local_logits)
        losses, gradient = self.objective.losses_and_gradient(
            as_lanes(every),
            as_lanes([self.target] * len(every)),
            as_lanes(lams),
            weight=None if weight is None else as_lanes([weight] * len(every)),
        )
        return list(gradient.chunk(len(every))), losses


def as_lanes(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors (L, …) of several modules as one, with a lane for each module and lane.

    One computation of all is faster than many small ones, which take longer than a module.
    """
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What is known in one training step."""

    state: State
    """Parameters, which require gradients, and buffers of the members, (L, M, …) by name."""
    auxiliaries: State
    """Parameters of the auxiliary parts, which require gradients, (L, M, …) by name."""
    x: Tensor
    """Inputs (L, B, …)."""
    target: Tensor
    """(L, B) classes, or (L, B, K) numbers."""
    positions: Tensor
    """(L, B), positions of the examples in the training part of the data."""
    epoch: int
    """Epoch of the run, 1 or more; 0 when a step is only timed."""
    noise: Noise
    """Random numbers of the step."""
    losses: "StepGradients"
    """Gradients of the losses with respect to logits."""
    members: int
    """Number of members M, of which the batch may contain fewer where memory is short."""
    mu: float = 0.0
    """Weight μ of what is handed down from the module above."""

    def weights(self, modules: Sequence[Module]) -> dict[str, Tensor]:
        """Return the parameters of some modules by name."""
        return {name: self.state[name] for module in modules for name in module.parameters}

    def of_members(self, chunk: slice, logits: Tensor, by_logits: Tensor) -> "Batch":
        """Return the batch of some members, given all logits and the gradient by them."""
        share, weight = self.losses.shares
        return replace(
            self,
            state={name: tensor[:, chunk] for name, tensor in self.state.items()},
            auxiliaries={name: tensor[:, chunk] for name, tensor in self.auxiliaries.items()},
            losses=replace(
                self.losses,
                known=by_logits[:, chunk],
                every=logits,
                first=chunk.start,
                shares=(_of_members(share, chunk), _of_members(weight, chunk)),
            ),
        )


def _of_members(values: Tensor | None, chunk: slice) -> Tensor | None:
    """Return the values (L, M, B) of some members; those of (L, 1, B) are of all."""
    return values if values is None or values.shape[1] == 1 else values[:, chunk]


@dataclass(frozen=True, kw_only=True)
class Credited:
    """What a credit returns for one training step."""

    logits: Tensor
    """(L, M, K, B) of the members, before the step."""
    gradients: Mapping[str, Tensor]
    """By parameter of the members, and by parameter of the auxiliary parts."""
    features: Sequence[Tensor] = field(default=())
    """What hidden modules returned, (L, M, B, …) each."""
    local_logits: Sequence[Tensor] = field(default=())
    """Logits (L, M, K, B) of the local head of each hidden module; empty without local heads."""
    losses: StepLosses | None = None
    """Of the members and then of the local heads, with each module as lanes, (modules·L, M, B), if
    the credit has computed them."""
    measured: "Mapping[str, Ratio]" = field(default_factory=dict)
    """What the step has measured, under the names in `CreditRecord.metrics`."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A quantity of every module whose value for an epoch is a ratio of two sums over its steps."""

    numerator: Tensor
    """(L, M, modules)"""
    denominator: Tensor
    """(L, M, modules); 0 where there is nothing to measure."""


class Credit(Protocol):
    """A way of telling modules what to change. The object itself is stateless."""

    auxiliaries: Mapping[str, Parameter]
    """Parameters of one member's auxiliary parts by name: see `Module.prefix`."""

    @property
    def together(self) -> bool:
        """Whether all modules are one group of the optimizer, with one gradient norm to clip."""

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return initial parameters (M, …) of the auxiliary parts, in float64 on the CPU."""

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of one training step; without one, a parameter is not changed."""

    def local_logits(self, auxiliaries: State, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits (L, M, K, B) of local heads for features of all hidden modules.

        Empty if there are no local heads.
        """
