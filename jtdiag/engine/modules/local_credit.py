"""Credits with a loss for every hidden module: local, between local and end to end, and controls.

The gradient with respect to the features h_l of module l = 1 … K is s_K = own_K and

    s_l = μ·J'_{l+1} s_{l+1} + (1 − μ)·own_l,

where own_l is that of the module's own loss and J' the backward pass through a module. At μ = 0
training is local, at μ = 1 end to end. With `reach` n instead, s_l is the gradient of the loss of
module min(l + n − 1, K) (interlocking backpropagation, Gomez et al. 2022); μ is the geometric
average over the reaches. Local heads always learn from their own loss with weight 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.loss import StepLosses
from jtdiag.engine.modules import auxiliary_parts, pairless_batches
from jtdiag.engine.modules.contract import Batch, Credited, Setting, as_lanes
from jtdiag.engine.modules.cuts import Module
from jtdiag.engine.modules.gradient_scale import scaled
from jtdiag.engine.modules.local_terms import Prediction, Root, terms_of
from jtdiag.errors import RecipeError
from jtdiag.store.layout import Parameter

TOGETHER = 2**19
"""Bytes of features up to which all local heads are computed together, which is faster where a step
is small; the modules' graphs are kept until then. Both ways give the same numbers."""


class WithLocalHeads:
    """What credits with local heads share: the heads, and their parameters."""

    together = False

    def __init__(self, setting: Setting, *, heads: bool) -> None:
        self.setting = setting
        self._hidden, self._last = setting.modules[:-1], setting.modules[-1]
        self._prediction = Prediction(setting) if heads else None
        self.auxiliaries: dict[str, Parameter] = {}
        if self._prediction is not None:
            self.auxiliaries |= self._prediction.parameters

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return initial parameters (M, …) of the auxiliary parts."""
        members = self.setting.recipe.members.count
        return auxiliary_parts.initial(self.auxiliaries, members, generator)

    def local_logits(self, auxiliaries: State, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits of local heads for features of all hidden modules."""
        if self._prediction is None:
            return []
        return [self._prediction.logits(auxiliaries, i, h) for i, h in enumerate(features)]


class Watched(WithLocalHeads):
    """Credits without losses of hidden modules; local heads may learn from detached features."""

    def __init__(self, setting: Setting, trained: Sequence[Module]) -> None:
        super().__init__(setting, heads=setting.recipe.modules.watch)
        self._trained = trained

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of L_λ by the trained modules, and those of the local heads."""
        features, h = [], batch.x
        with torch.set_grad_enabled(self._hidden[0] in self._trained):
            for module in self._hidden:
                h = self.setting.run(batch.state, module, h)
                features.append(h)
        logits = self.setting.run(batch.state, self._last, h)
        local = self.local_logits(batch.auxiliaries, [h.detach() for h in features])
        roots, losses = roots_of(batch, [logits], local)
        weights = batch.weights(self._trained) | dict(batch.auxiliaries)
        return Credited(
            logits=logits.detach(),
            gradients=gradients(roots, weights),
            features=features,
            local_logits=[own.detach() for own in local],
            losses=losses,
        )


class EndToEnd(Watched):
    """Backpropagation through all modules."""

    together = True

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, setting.modules)


class Frozen(Watched):
    """Hidden modules keep their parameters, and the head learns.

    Running statistics of BatchNorm are estimated all the same.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, setting.modules[-1:])


@dataclass(frozen=True, kw_only=True)
class _OwnLosses:
    """The own losses of some modules in a step."""

    roots: Sequence[list[Root]]
    """By module."""
    local_logits: Sequence[Tensor]
    """Of local heads, (L, M, K, B), detached."""
    losses: StepLosses | None
    """As lanes, those of the members first, if they have been computed."""


class Local(WithLocalHeads):
    """Every hidden module descends a loss of its own, mixed with what is handed down by μ."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, heads=True)
        self._weights, self._terms = terms_of(setting)
        for term, _ in self._terms:
            self.auxiliaries |= term.parameters
        self._reach = setting.recipe.modules.reach
        if self._reach > len(setting.modules):
            raise RecipeError(
                f"modules.reach is {self._reach}, and members have {len(setting.modules)} modules; "
                f"{len(setting.modules)} is end to end."
            )

    @property
    def remarks(self) -> list[str]:
        """What is unusual about the hidden modules.

        Raises:
            RecipeError: if no batch has a pair of examples to learn from.
        """
        contrast = self.setting.recipe.modules.loss == "contrast"
        return pairless_batches.remarks(self.setting) if contrast else []

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of all modules and of the auxiliary parts."""
        if self._reach > 1:
            return self._by_reach(batch)
        mu = 0.0 if self._reach else batch.mu  # a reach of 1 is local, whatever μ the batch has
        if mu == 0 and self._bytes(batch) > TOGETHER:
            return self._one_by_one(batch)
        return self._by_mu(batch, mu)

    def _bytes(self, batch: Batch) -> int:
        """Return the size of the features of all hidden modules."""
        lanes, members = next(iter(batch.state.values())).shape[:2]
        of_example = sum(math.prod(shape) for shape in self.setting.features)
        return lanes * members * batch.x.shape[1] * of_example * batch.x.element_size()

    def _one_by_one(self, batch: Batch) -> Credited:
        """Return the gradients where a module follows its own loss alone.

        What is saved for a backward pass is freed before the next module is computed.
        """
        outputs, owns = [], []
        computed: dict[str, Tensor] = {}
        h = batch.x
        for index, module in enumerate(self.setting.modules):
            h = self.setting.run(batch.state, module, h)
            last = module is self._last
            own = self._own(batch, {} if last else {index: h}, [h] if last else [])
            computed |= gradients(own.roots[0], self._followers(batch, index))
            h = h.detach()
            outputs.append(h)
            owns.append(own)
        return _credited(outputs, [owns[-1], *owns[:-1]], computed)

    def _by_mu(self, batch: Batch, mu: float) -> Credited:
        """Return the gradients where a mixture of them is handed down."""
        features, below = [], batch.x
        for module in self._hidden:
            features.append(self.setting.run(batch.state, module, below))
            below = scaled(features[-1], mu)
        logits = self.setting.run(batch.state, self._last, below)
        seen = {index: scaled(h, 1 - mu) for index, h in enumerate(features)}
        own = self._own(batch, seen, [logits])
        weights = batch.weights(self.setting.modules) | dict(batch.auxiliaries)
        computed = gradients([root for roots in own.roots for root in roots], weights)
        return _credited([*features, logits], [own], computed)

    def _by_reach(self, batch: Batch) -> Credited:
        """Return the gradients where a module follows the loss of one further ahead."""
        features, h = [], batch.x
        for module in self._hidden:
            h = self.setting.run(batch.state, module, h)
            features.append(h)
        logits = self.setting.run(batch.state, self._last, h)
        own = self._own(batch, dict(enumerate(features)), [logits])
        computed: dict[str, Tensor] = {}
        for ahead, roots in enumerate(own.roots):
            computed |= gradients(roots, self._followers(batch, ahead), retain=True)
        return _credited([*features, logits], [own], computed)

    def _own(
        self, batch: Batch, features: Mapping[int, Tensor], logits: Sequence[Tensor]
    ) -> _OwnLosses:
        """Return what the own losses of some modules need.

        Args:
            batch: The batch.
            features: Of hidden modules by number, as their own losses see them.
            logits: Of the members, if the head is among the modules.
        """
        assert self._prediction is not None
        # A head without weight in the loss learns all the same: its error can be measured.
        local = [
            self._prediction.logits(batch.auxiliaries, i, h if self._weights[i] else h.detach())
            for i, h in features.items()
        ]
        roots, losses = roots_of(batch, logits, local)
        by_module = {
            i: [root if self._weights[i] in (0, 1) else (root[0], self._weights[i] * root[1])]
            for i, root in zip(features, roots[len(logits) :], strict=True)
        }
        for term, weights in self._terms:
            chosen = {i: h for i, h in features.items() if weights[i]}
            for i, own in zip(chosen, term.roots(batch, chosen, weights), strict=True):
                by_module[i] += own
        of_members = [[root] for root in roots[: len(logits)]]
        return _OwnLosses(
            roots=[*by_module.values(), *of_members],
            local_logits=[own.detach() for own in local],
            losses=losses,
        )

    def _followers(self, batch: Batch, ahead: int) -> dict[str, Tensor]:
        """Return the parameters that follow the loss of a module: the local head's, and others."""
        modules, last = self.setting.modules, len(self.setting.modules) - 1
        further = max(0, self._reach - 1)
        follows = [m for i, m in enumerate(modules) if min(i + further, last) == ahead]
        prefix = modules[ahead].prefix
        own = {n: tensor for n, tensor in batch.auxiliaries.items() if n.startswith(prefix)}
        return batch.weights(follows) | own


def roots_of(
    batch: Batch, logits: Sequence[Tensor], local_logits: Sequence[Tensor]
) -> tuple[list[Root], StepLosses | None]:
    """Return logits of members and local heads with the gradients by them, and losses if known."""
    by_all, losses = batch.losses.by_all_logits(
        [own.detach() for own in logits], [own.detach() for own in local_logits]
    )
    return list(zip([*logits, *local_logits], by_all, strict=True)), losses


def _credited(
    outputs: Sequence[Tensor], owns: Sequence[_OwnLosses], computed: Mapping[str, Tensor]
) -> Credited:
    """Return what a step has computed.

    Args:
        outputs: Of all modules.
        owns: Their own losses; those of the last module come first.
        computed: Gradients by parameter.
    """
    *features, logits = (h.detach() for h in outputs)
    known = [own.losses for own in owns if own.losses is not None]
    losses = None
    if len(known) == len(owns):
        losses = StepLosses(
            members=as_lanes([own.members for own in known]),
            ensemble=as_lanes([own.ensemble for own in known]),
        )
    return Credited(
        logits=logits,
        gradients=computed,
        features=features,
        local_logits=[logits for own in owns for logits in own.local_logits],
        losses=losses,
    )


def gradients(
    roots: Sequence[Root], weights: Mapping[str, Tensor], *, retain: bool = False
) -> dict[str, Tensor]:
    """Return the gradients of the sum of some losses, by parameter.

    A parameter that takes no part in the losses has a gradient of 0.

    Args:
        roots: Tensors, and the gradients with respect to them.
        weights: Parameters by name.
        retain: Whether other gradients of the same tensors follow.
    """
    if not weights:
        return {}
    outputs = [root for root, _ in roots if root.requires_grad]
    if not outputs:
        return {name: torch.zeros_like(weight) for name, weight in weights.items()}
    computed = torch.autograd.grad(
        outputs,
        list(weights.values()),
        [gradient for root, gradient in roots if root.requires_grad],
        retain_graph=retain,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(weights, computed, strict=True))
