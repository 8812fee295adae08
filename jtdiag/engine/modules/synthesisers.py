"""Synthesisers: they predict the gradient with respect to features from features and labels."""

import math

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules.auxiliary_parts import Convolutions, Perceptrons
from jtdiag.store.layout import Parameter


class Synthesisers:
    """The synthesisers of one hidden module, one for each member.

    For vectors they are perceptrons; for feature maps, 3x3 convolutions, to which a label is an
    additional map for each class. Both are linear, or have hidden layers of ReLU that are as wide
    as their input.
    """

    def __init__(self, name: str, features: tuple[int, ...], labels: int, *, layers: int) -> None:
        """Describe them.

        Args:
            name: Beginning of their parameters' names.
            features: Shape of an example's features.
            labels: Numbers in the representation of a label; 0 if labels are not used.
            layers: Hidden layers.
        """
        self._labels = labels
        self._maps = len(features) == 3
        if self._maps:
            inputs = features[0] + labels
            widths = [*[inputs] * layers, features[0]]
            self._parts: list[Convolutions] = [
                Convolutions(f"{name}.{i}", inputs, width) for i, width in enumerate(widths)
            ]
            parameters = [part.parameters for part in self._parts]
        else:
            inputs = math.prod(features) + labels
            self._perceptrons = Perceptrons(name, (inputs,), math.prod(features), layers=layers)
            parameters = [self._perceptrons.parameters]
        self.parameters: dict[str, Parameter] = {n: p for own in parameters for n, p in own.items()}
        """Of one member."""

    @property
    def last(self) -> list[str]:
        """Names of the parameters of the last layer, which begins at zero."""
        return list(self.parameters)[-2:]

    def __call__(self, auxiliaries: State, h: Tensor, label: Tensor) -> Tensor:
        """Return gradients (L, M, B, …) of an example's loss for features of the same shape.

        Args:
            auxiliaries: Parameters (L, M, …) by name.
            h: Features.
            label: (L, B, K)
        """
        if self._maps:
            return self._of_maps(auxiliaries, h, label)
        inputs = h.flatten(3)
        if self._labels:
            inputs = torch.cat([inputs, label[:, None].expand(*h.shape[:3], -1)], -1)
        return self._perceptrons(auxiliaries, inputs).transpose(2, 3).reshape(h.shape)

    def _of_maps(self, auxiliaries: State, h: Tensor, label: Tensor) -> Tensor:
        if self._labels:
            planes = label[:, None, :, :, None, None]
            h = torch.cat([h, planes.expand(*h.shape[:3], -1, *h.shape[4:])], 3)
        for part in self._parts[:-1]:
            h = part(auxiliaries, h).relu()
        return self._parts[-1](auxiliaries, h)
