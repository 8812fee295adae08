"""What a local module's loss consists of: prediction, similarity, reconstruction, contrast."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules import local_losses
from jtdiag.engine.modules.auxiliary_parts import Decoders, Perceptrons, Similarities
from jtdiag.engine.modules.contract import Batch, Setting, as_lanes
from jtdiag.errors import RecipeError
from jtdiag.store.layout import Parameter

Root = tuple[Tensor, Tensor]
"""A tensor from which gradients are computed, and the gradient of the loss with respect to it."""
Roots = list[Root]
Weights = Sequence[float]
"""Weight of a term in each hidden module."""
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

    def roots(self, batch: Batch, features: Mapping[int, Tensor], weights: Weights) -> list[Roots]:
        """Return the term of each module for features (L, M, B, …) by number of the module."""


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


class Similarity:
    """Similarities of examples are to be those of their labels."""

    def __init__(self, setting: Setting) -> None:
        self._classes = _classes(setting)
        self._parts = [
            Similarities(f"{module.prefix}similarity", features)
            for module, features in zip(setting.modules, setting.features, strict=False)
        ]
        self.parameters = _parameters(self._parts)

    def roots(self, batch: Batch, features: Mapping[int, Tensor], weights: Weights) -> list[Roots]:
        """Return vectors (L, M, B, D) and the gradients with respect to them."""
        members, dtype = batch.members, batch.x.dtype
        labels = local_losses.label_similarity(batch.target[:, None], self._classes, dtype)
        vectors = [self._parts[index](batch.auxiliaries, h) for index, h in features.items()]
        return [
            [(z, gradient * (weights[index] / members))]
            for index, z, gradient in zip(
                features, vectors, _by_vectors([z.detach() for z in vectors], labels), strict=True
            )
        ]


def _by_vectors(vectors: Sequence[Tensor], labels: Tensor) -> Sequence[Tensor]:
    """Return the gradients of similarity losses; of modules of one width in one computation."""
    if len({z.shape for z in vectors}) != 1:
        return [local_losses.similarity_gradient(z, labels) for z in vectors]
    count = len(vectors)
    together = local_losses.similarity_gradient(as_lanes(vectors), as_lanes([labels] * count))
    return together.chunk(count)


class Contrast:
    """Examples of one class are to be closer than those of different ones."""

    def __init__(self, setting: Setting) -> None:
        _classes(setting)
        modules = setting.recipe.modules
        self._temperature = modules.temperature or TEMPERATURE
        self._parts = [
            Perceptrons(
                f"{module.prefix}embedding",
                features,
                EMBEDDING,
                layers=modules.head_layers,
                pool=modules.pool or POOL,
            )
            for module, features in zip(setting.modules, setting.features, strict=False)
        ]
        self.parameters = _parameters(self._parts)

    def roots(self, batch: Batch, features: Mapping[int, Tensor], weights: Weights) -> list[Roots]:
        """Return losses (L, M) and their weight in a mean over members."""
        target, roots = batch.target[:, None], []
        for index, h in features.items():
            z = self._parts[index](batch.auxiliaries, h).transpose(2, 3)
            loss = local_losses.contrastive_loss(z, target, self._temperature)
            roots.append([(loss, torch.full_like(loss, weights[index] / batch.members))])
        return roots


class Reconstruction:
    """The input, brought to [0, 1] by the range of the training part, is to be predicted."""

    def __init__(self, setting: Setting, modules: Iterable[int]) -> None:
        """Make decoders for some hidden modules, given by their numbers."""
        inputs = setting.data.part(names.TRAIN).x
        self._low, high = inputs.min(), inputs.max()
        self._range = (high - self._low).clamp(min=torch.finfo(inputs.dtype).tiny)
        shape = setting.data.input_shape
        self._parts = {
            i: Decoders(f"{setting.modules[i].prefix}decoder", setting.features[i], shape)
            for i in modules
        }
        self.parameters = _parameters(self._parts.values())

    def roots(self, batch: Batch, features: Mapping[int, Tensor], weights: Weights) -> list[Roots]:
        """Return parameters and features, or logits of maps, and the gradients by them."""
        x = batch.x.flatten(2) - self._low
        x = x.div_(self._range).clamp_(0, 1)[:, None]

        def by_logits(logits: Tensor, weight: float) -> Tensor:
            return local_losses.reconstruction_gradient(logits, x, weight / batch.members)

        return [
            self._parts[i].roots(batch.auxiliaries, h, partial(by_logits, weight=weights[i]))
            for i, h in features.items()
        ]


def _parameters(parts: Iterable[Similarities | Decoders | Perceptrons]) -> dict[str, Parameter]:
    return {name: shape for part in parts for name, shape in part.parameters.items()}


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


def terms_of(setting: Setting) -> tuple[Weights, list[tuple[Term, Weights]]]:
    """Return the weights of prediction, and the other terms of the loss of hidden modules."""
    modules = setting.recipe.modules
    count = len(setting.modules) - 1
    if modules.loss == "pred":
        return [1.0] * count, []
    if modules.loss == "sim":
        return [0.0] * count, [(Similarity(setting), [1.0] * count)]
    if modules.loss == "predsim":
        beta = modules.beta
        return [1 - beta] * count, [(Similarity(setting), [beta] * count)]
    ends = modules.reconstruction or RECONSTRUCTION[modules.loss]
    own_ends = modules.prediction or (1.0, 1.0)
    own = [local_losses.between((own_ends[0], own_ends[1]), i, count) for i in range(count)]
    of_input = [local_losses.between((ends[0], ends[1]), i, count) for i in range(count)]
    others: list[tuple[Term, Weights]] = []
    if modules.loss == "contrast":
        others, own = [(Contrast(setting), own)], [0.0] * count
    # A decoder has as many weights as a module; one without weight in the loss is left out.
    decoded = [i for i, weight in enumerate(of_input) if weight]
    if decoded:
        others.append((Reconstruction(setting, decoded), of_input))
    return own, others
