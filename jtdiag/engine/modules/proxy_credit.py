"""Strictly local training: one module after the other, on features of those that are frozen.

Duan, Yu, Chen & Principe 2020: if the kernel of a hidden module's outputs is ideal for all pairs of
examples, it is an optimal hidden module, whatever the output layer. A module needs to know only
which pairs are of the same class. The heads come last, on L_λ; hidden modules do not depend on λ.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from jtdiag import names
from jtdiag.engine import wording
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules import pair_kernels, pairless_batches
from jtdiag.engine.modules.contract import Batch, Credited, Ratio, Setting
from jtdiag.engine.modules.frozen_features import FrozenFeatures
from jtdiag.engine.modules.local_credit import gradients
from jtdiag.errors import RecipeError
from jtdiag.store.layout import Parameter

POOL = 1
"""Height and width of the maps that a kernel sees, by default: the mean of each map."""
TEMPERATURE = 0.2
"""Temperature of the contrast by default (ours)."""


class Proxy:
    """Each hidden module ascends a proxy of its kernel; then the heads descend L_λ."""

    together = False

    def __init__(self, setting: Setting) -> None:
        modules, recipe = setting.recipe.modules, setting.recipe
        self.auxiliaries: dict[str, Parameter] = {}
        self._setting, self._recipe = setting, modules
        self._low = -1.0 if recipe.members.activation == "tanh" else 0.0
        self._check(setting)
        self._proxy = pair_kernels.PROXIES[modules.loss]
        self._temperature = modules.temperature or TEMPERATURE
        self._frozen = FrozenFeatures(setting)

    def _check(self, setting: Setting) -> None:
        modules = self._recipe
        if len(modules.epochs) != len(setting.modules):
            raise RecipeError(
                f"modules.epochs lists {len(modules.epochs)} modules, and members have "
                f"{len(setting.modules)}; list the epochs of each, the head's last."
            )
        if not setting.data.family.classes:
            raise RecipeError(
                f"modules.credit is 'proxy', which compares classes, and family is "
                f"'{setting.recipe.family}'; use a family of classes, or credit = 'local'."
            )
        if modules.loss == "neo" and self._low < 0:
            raise RecipeError(
                "modules.loss is 'neo' and members.activation is 'tanh'; pairs of different "
                "classes alone can define the kernel for activations that are never negative. "
                "Use 'al', or activation = 'relu'."
            )

    @property
    def remarks(self) -> list[str]:
        """What is unusual about the hidden modules.

        Raises:
            RecipeError: if no batch has a pair of examples to learn from.
        """
        hidden, classes = self._setting.modules[:-1], self._setting.outputs
        widths = [math.prod(self._seen(features)) for features in self._setting.features]
        narrow = [
            wording.narrow_proxy(
                module.name, width, classes, pair_kernels.best_alignment(width, classes)
            )
            for module, width in zip(hidden, widths, strict=True)
            if width < classes and self._low == 0
        ]
        return [*narrow, *pairless_batches.remarks(self._setting)]

    def _seen(self, features: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the features of an example that a kernel sees."""
        if len(features) != 3:
            return features
        pool = self._recipe.pool or POOL
        return features[0], min(pool, features[1]), min(pool, features[2])

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return no parameters: nothing is learned beside the members."""
        return {}

    def local_logits(self, auxiliaries: State, features: Sequence[Tensor]) -> list[Tensor]:
        """Return no logits: there are no local heads."""
        return []

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of the module that the epoch trains."""
        index, _, _ = self._recipe.phase(batch.epoch)
        h, features = self._frozen.of(batch, index)
        module = self._setting.modules[index]
        weights = batch.weights([module])
        out = self._setting.run(batch.state, module, h)
        measured = {}
        if index == len(self._setting.modules) - 1:
            root, logits = (out, batch.losses.by_logits(out.detach())), out.detach()
        else:
            value, defined = self.proxy(out, batch)
            root = (value, torch.full_like(value, -1 / batch.members))
            later, logits = self._rest(batch.state, out.detach(), index)
            features = [*features, out.detach(), *later]
            count = defined * out.shape[2]
            measured[names.PROXY] = self._of_module(index, value.detach(), count)
        return Credited(
            logits=logits,
            gradients=gradients([root], weights),
            features=features,
            measured=measured,
        )

    def _of_module(self, index: int, value: Tensor, examples: Tensor) -> Ratio:
        """Return a value (L, M) of one module, as its mean over examples (L, 1) with a value."""
        count = value.new_zeros(*value.shape, len(self._setting.modules))
        count[..., index] = examples
        return Ratio(numerator=value.unsqueeze(-1) * count, denominator=count)

    def proxy(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the proxy (L, M) of features (L, M, B, …), and whether it is defined (L, 1)."""
        k = pair_kernels.kernel(self._vectors(features))
        same = batch.target.unsqueeze(-1) == batch.target.unsqueeze(-2)
        pairs = pair_kernels.upper(k.shape[-1], k.device).expand(same.shape)
        if self._recipe.pairs < 1:
            seed = self._setting.recipe.seed
            pairs = pairs & pair_kernels.labelled(batch.positions, self._recipe.pairs, seed)
        # All members of a lane see the same examples.
        value = self._proxy(k, same[:, None], pairs[:, None], self._low, self._temperature)
        needed = pair_kernels.needed(self._recipe.loss, same, pairs)
        return value, needed.flatten(1).any(1, keepdim=True)

    def _vectors(self, features: Tensor) -> Tensor:
        """Return vectors (L, M, B, D), of maps that are averaged first."""
        if features.ndim == 6:
            _, height, width = self._seen(tuple(features.shape[3:]))
            pooled = functional.adaptive_avg_pool2d(features.flatten(0, 2), (height, width))
            features = pooled.view(*features.shape[:3], *pooled.shape[1:])
        return features.flatten(3)

    @torch.no_grad()
    def _rest(self, state: State, h: Tensor, index: int) -> tuple[list[Tensor], Tensor]:
        """Return features of the hidden modules after one, and logits, all untrained."""
        *hidden, last = self._setting.modules[index + 1 :]
        features = []
        for module in hidden:
            h = self._setting.run(state, module, h, training=False)
            features.append(h)
        return features, self._setting.run(state, last, h, training=False)
