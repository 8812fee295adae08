"""What a local module's loss consists of: prediction, similarity, reconstruction, contrast."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules import local_losses
from jtdiag.engine.modules.auxiliary_parts import Decoders, Perceptrons, Similarities
from jtdiag.engine.modules.contract import Batch, Setting
from jtdiag.errors import RecipeError
from jtdiag.store.layout import Parameter

Root = tuple[Tensor, Tensor]
"""A tensor from which gradients are computed, and the gradient of the loss with respect to it."""
EMBEDDING = 128
"""Dimensions in which examples are contrasted, as in Khosla et al. 2020."""
POOL = 4
"""Height and width of the maps that a local head sees, by default."""
TEMPERATURE = 0.07
"""Temperature of the contrast by default, that of Khosla et al. 2020."""
RECONSTRUCTION = {"infopro": (2.0, 0.0), "contrast": (0.0, 0.0)}
"""Weights of the reconstruction in the first and in the last local module, by default."""


class Term(Protocol):
    """One term of the loss of every hidden module."""

    parameters: dict[str, Parameter]
    """Of one member, for all hidden modules."""

    def root(self, batch: Batch, index: int, h: Tensor) -> Root:
        """Return the term for features (L, M, B, …) of a hidden module, with weight 1."""


class Prediction:
    """The family's loss of a local head; under Eq. 4 a mean over members."""

    def __init__(self, setting: Setting) -> None:
        modules = setting.recipe.modules
        self._parameter = setting.forward.parameter
        self._heads = [
            Perceptrons(
                f"{module.prefix}classifier",
                features,
                setting.outputs,
                layers=modules.head_layers,
                pool=modules.pool or POOL,
            )
            for module, features in zip(setting.modules, setting.features, strict=False)
        ]
        self.parameters = {n: p for head in self._heads for n, p in head.parameters.items()}

    def logits(self, auxiliaries: State, index: int, h: Tensor) -> Tensor:
        """Return the logits (L, M, K, B) of the local head of a hidden module."""
        return self._parameter(self._heads[index](auxiliaries, h))

    def root(self, batch: Batch, index: int, h: Tensor) -> Root:
        """Return the logits and the gradient with respect to them."""
        logits = self.logits(batch.auxiliaries, index, h)
        return logits, batch.losses.by_local_logits(logits.detach())


class MemberTerm:
    """A term that is a number for each lane and member."""

    def __init__(self, parts: Sequence[Similarities | Decoders | Perceptrons]) -> None:
        self._parts = parts
        self.parameters = {n: p for part in parts for n, p in part.parameters.items()}

    def root(self, batch: Batch, index: int, h: Tensor) -> Root:
        """Return the term (L, M) and its gradient, 1/M."""
        value = self._value(batch, self._parts[index](batch.auxiliaries, h))
        return value, torch.full_like(value, 1 / batch.members)

    def _value(self, batch: Batch, out: Tensor) -> Tensor:
        raise NotImplementedError


class Similarity(MemberTerm):
    """Similarities of examples are to be those of their labels."""

    def __init__(self, setting: Setting) -> None:
        self._classes = _classes(setting)
        hidden = zip(setting.modules, setting.features, strict=False)
        super().__init__([Similarities(f"{m.prefix}similarity", shape) for m, shape in hidden])

    def _value(self, batch: Batch, out: Tensor) -> Tensor:
        return local_losses.similarity_loss(out, batch.target[:, None], self._classes)


class Contrast(MemberTerm):
    """Examples of one class are to be closer than those of different ones."""

    def __init__(self, setting: Setting) -> None:
        _classes(setting)
        modules = setting.recipe.modules
        self._temperature = modules.temperature or TEMPERATURE
        parts = [
            Perceptrons(
                f"{module.prefix}embedding",
                features,
                EMBEDDING,
                layers=modules.head_layers,
                pool=modules.pool or POOL,
            )
            for module, features in zip(setting.modules, setting.features, strict=False)
        ]
        super().__init__(parts)

    def _value(self, batch: Batch, out: Tensor) -> Tensor:
        z = out.transpose(2, 3)
        return local_losses.contrastive_loss(z, batch.target[:, None], self._temperature)


class Reconstruction(MemberTerm):
    """The input, brought to [0, 1] by the range of the training part, is to be predicted."""

    def __init__(self, setting: Setting) -> None:
        inputs = setting.data.part(names.TRAIN).x
        self._low, high = inputs.min(), inputs.max()
        self._range = (high - self._low).clamp(min=torch.finfo(inputs.dtype).tiny)
        shape = setting.data.input_shape
        hidden = zip(setting.modules, setting.features, strict=False)
        super().__init__([Decoders(f"{m.prefix}decoder", f, shape) for m, f in hidden])

    def _value(self, batch: Batch, out: Tensor) -> Tensor:
        x = ((batch.x - self._low) / self._range).clamp(0, 1).flatten(2)
        return local_losses.reconstruction_loss(out, x[:, None])


def _classes(setting: Setting) -> int:
    """Return the number of classes.

    Raises:
        RecipeError: if targets are no classes.
    """
    if not setting.data.family.classes:
        raise RecipeError(
            f"modules.loss is '{setting.recipe.modules.loss}', which compares classes, and family "
            f"is '{setting.recipe.family}'; use modules.loss = 'pred', or a family of classes."
        )
    return setting.outputs


Weighted = tuple[Term, Callable[[int], float]]
"""A term and its weight in each hidden module."""


def terms_of(setting: Setting, prediction: Prediction) -> list[Weighted]:
    """Return the terms of the loss of hidden modules that a recipe chooses."""
    modules = setting.recipe.modules
    count = len(setting.modules) - 1
    ends = modules.reconstruction or RECONSTRUCTION.get(modules.loss, (0.0, 0.0))
    own_ends = modules.prediction or (1.0, 1.0)

    def own(index: int) -> float:
        return local_losses.between((own_ends[0], own_ends[1]), index, count)

    def of_input(index: int) -> float:
        return local_losses.between((ends[0], ends[1]), index, count)

    if modules.loss == "pred":
        return [(prediction, lambda _: 1.0)]
    if modules.loss == "sim":
        return [(Similarity(setting), lambda _: 1.0)]
    if modules.loss == "predsim":
        beta = modules.beta
        return [(prediction, lambda _: 1 - beta), (Similarity(setting), lambda _: beta)]
    main: Term = prediction if modules.loss == "infopro" else Contrast(setting)
    reconstruction = [(Reconstruction(setting), of_input)] if any(ends) else []
    return [(main, own), *reconstruction]
