"""Credits with a loss for every hidden module: local, between local and end to end, and controls.

The gradient with respect to the features h_l of module l = 1 … K is s_K = own_K and

    s_l = μ·J'_{l+1} s_{l+1} + (1 − μ)·own_l,

where own_l is that of the module's own loss and J' the backward pass through a module. At μ = 0
training is local, at μ = 1 end to end. With `reach` n instead, s_l is the gradient of the loss of
module min(l + n − 1, K) (interlocking backpropagation, Gomez et al. 2022); μ is the geometric
average over the reaches. Local heads always learn from their own loss with weight 1.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules import auxiliary_parts, pairless_batches
from jtdiag.engine.modules.contract import Batch, Credited, Setting
from jtdiag.engine.modules.cuts import Module
from jtdiag.engine.modules.gradient_scale import scaled
from jtdiag.engine.modules.local_terms import Prediction, Root, terms_of
from jtdiag.errors import RecipeError
from jtdiag.store.layout import Parameter


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

    def _watched(self, batch: Batch, features: Sequence[Tensor]) -> list[Root]:
        """Return what local heads learn from features, on which they have no influence."""
        if self._prediction is None:
            return []
        logits = self.local_logits(batch.auxiliaries, [h.detach() for h in features])
        by_logits = batch.losses.by_all_local_logits([local.detach() for local in logits])
        return list(zip(logits, by_logits, strict=True))


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
        watched = self._watched(batch, features)
        weights = batch.weights(self._trained) | dict(batch.auxiliaries)
        roots = [(logits, batch.losses.by_logits(logits.detach())), *watched]
        return Credited(
            logits=logits.detach(),
            gradients=gradients(roots, weights),
            features=features,
            local_logits=[root.detach() for root, _ in watched],
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


class Local(WithLocalHeads):
    """Every hidden module descends a loss of its own, mixed with what is handed down by μ."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, heads=True)
        assert self._prediction is not None
        self._terms = terms_of(setting, self._prediction)
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
        return self._by_reach(batch) if self._reach else self._by_mu(batch)

    def _own(self, batch: Batch, index: int, h: Tensor) -> tuple[list[Root], Tensor]:
        """Return the roots of a hidden module's loss, and the logits of its local head."""
        assert self._prediction is not None
        roots, logits = [], None
        for term, weight_of in self._terms:
            weight = weight_of(index)
            if weight == 0:
                continue
            root, gradient = term.root(batch, index, h)
            roots.append((root, gradient if weight == 1 else weight * gradient))
            logits = root if term is self._prediction else logits
        if logits is None:  # the head learns all the same, so that its error can be measured
            roots.append(self._prediction.root(batch, index, h.detach()))
            logits = roots[-1][0]
        return roots, logits

    def _by_mu(self, batch: Batch) -> Credited:
        features, local_logits, roots = [], [], []
        below = batch.x
        for index, module in enumerate(self._hidden):
            h = self.setting.run(batch.state, module, below)
            own, local = self._own(batch, index, scaled(h, 1 - batch.mu))
            below = scaled(h, batch.mu)
            roots += own
            features.append(h.detach())
            local_logits.append(local.detach())
        logits = self.setting.run(batch.state, self._last, below)
        roots.append((logits, batch.losses.by_logits(logits.detach())))
        weights = batch.weights(self.setting.modules) | dict(batch.auxiliaries)
        return Credited(
            logits=logits.detach(),
            gradients=gradients(roots, weights),
            features=features,
            local_logits=local_logits,
        )

    def _by_reach(self, batch: Batch) -> Credited:
        """Return the gradients where a module follows the loss of one further ahead."""
        features, local_logits, by_module = [], [], []
        h = batch.x
        for index, module in enumerate(self._hidden):
            h = self.setting.run(batch.state, module, h)
            own, local = self._own(batch, index, h)
            by_module.append(own)
            features.append(h.detach())
            local_logits.append(local.detach())
        logits = self.setting.run(batch.state, self._last, h)
        by_module.append([(logits, batch.losses.by_logits(logits.detach()))])
        computed: dict[str, Tensor] = {}
        for ahead, roots in enumerate(by_module):
            computed |= gradients(roots, self._followers(batch, ahead), retain=True)
        return Credited(
            logits=logits.detach(),
            gradients=computed,
            features=features,
            local_logits=local_logits,
        )

    def _followers(self, batch: Batch, ahead: int) -> dict[str, Tensor]:
        """Return the parameters that follow the loss of a module: the local head's, and others."""
        modules, last = self.setting.modules, len(self.setting.modules) - 1
        follows = [m for i, m in enumerate(modules) if min(i + self._reach - 1, last) == ahead]
        prefix = modules[ahead].prefix
        own = {n: tensor for n, tensor in batch.auxiliaries.items() if n.startswith(prefix)}
        return batch.weights(follows) | own


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
