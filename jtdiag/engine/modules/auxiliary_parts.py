"""Parts that are learned beside the members: classifiers, decoders and similarities, stacked.

Each part serves one hidden module of all members in all lanes; its parameters are (L, M, …).
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from jtdiag.engine.architectures.contract import State
from jtdiag.store.layout import Parameter


class Perceptrons:
    """Perceptrons on features, one for each member: linear, or with hidden layers of ReLU.

    Feature maps are first averaged to `pool` x `pool`; hidden layers have as many units as inputs.
    """

    def __init__(
        self,
        name: str,
        features: tuple[int, ...],
        outputs: int,
        *,
        layers: int = 0,
        pool: int = 0,
        bias: bool = True,
    ) -> None:
        self.name, self._bias = name, bias
        self._pool = [min(pool, side) for side in features[1:]] if pool and _maps(features) else []
        inputs = math.prod((features[0], *self._pool) if self._pool else features)
        self._widths = (*[inputs] * (layers + 1), outputs)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Weights (out, in) and biases (out) of one member, under names as in torch.nn.Linear."""
        parameters: dict[str, Parameter] = {}
        for i in range(len(self._widths) - 1):
            shape = (self._widths[i + 1], self._widths[i])
            parameters |= _parameter(f"{self.name}{_suffix(i)}.weight", shape)
            if self._bias:
                parameters |= _parameter(f"{self.name}{_suffix(i)}.bias", shape[:1])
        return parameters

    def __call__(self, auxiliaries: State, h: Tensor) -> Tensor:
        """Return outputs (L, M, outputs, B) for features (L, M, B, …)."""
        if self._pool:
            height, width = self._pool
            pooled = functional.adaptive_avg_pool2d(h.flatten(0, 2), (height, width))
            h = pooled.view(*h.shape[:3], *pooled.shape[1:])
        lanes, members = h.shape[:2]
        h = h.flatten(3).transpose(2, 3).flatten(0, 1)
        last = len(self._widths) - 2
        for i in range(last + 1):
            weight = auxiliaries[f"{self.name}{_suffix(i)}.weight"].flatten(0, 1)
            if self._bias:
                bias = auxiliaries[f"{self.name}{_suffix(i)}.bias"].flatten(0, 1)
                h = torch.baddbmm(bias.unsqueeze(-1), weight, h)
            else:
                h = torch.bmm(weight, h)
            if i < last:
                h = h.relu()
        return h.view(lanes, members, *h.shape[1:])


class Convolutions:
    """One 3x3 convolution with padding for each member, on feature maps."""

    def __init__(self, name: str, before: int, after: int, *, bias: bool = True) -> None:
        self.name, self._before, self._after, self._bias = name, before, after, bias

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Weight and bias of one member, as in torch.nn.Conv2d."""
        weight = _parameter(f"{self.name}.weight", (self._after, self._before, 3, 3))
        return weight | (_parameter(f"{self.name}.bias", (self._after,)) if self._bias else {})

    def __call__(self, auxiliaries: State, h: Tensor) -> Tensor:
        """Return maps (L, M, B, after, H, W) for maps (L, M, B, before, H, W)."""
        lanes, members, batch = h.shape[:3]
        together = h.permute(2, 0, 1, 3, 4, 5).flatten(1, 3)
        weight = auxiliaries[f"{self.name}.weight"].flatten(0, 2)
        bias = auxiliaries[f"{self.name}.bias"].flatten() if self._bias else None
        out = functional.conv2d(together, weight, bias, padding=1, groups=lanes * members)
        by_member = out.view(batch, lanes, members, self._after, *out.shape[2:])
        return by_member.permute(1, 2, 0, 3, 4, 5)


class Decoders:
    """Decoders from features to the inputs: linear, or for maps enlarged and one convolution.

    Their outputs are the logits of values in [0, 1].
    """

    def __init__(self, name: str, features: tuple[int, ...], inputs: tuple[int, ...]) -> None:
        self.name, self._inputs = name, inputs
        self._images = _maps(features) and _maps(inputs)
        if self._images:
            self._part: Convolutions | Perceptrons = Convolutions(name, features[0], inputs[0])
        else:
            self._part = Perceptrons(name, features, math.prod(inputs))

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of one member."""
        return self._part.parameters

    def roots(
        self, auxiliaries: State, h: Tensor, by_logits: Callable[[Tensor], Tensor]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return tensors, and the gradients of a loss with respect to them.

        Args:
            auxiliaries: Parameters (L, M, …) by name.
            h: Features (L, M, B, …).
            by_logits: From logits (L, M, B, inputs) to the gradient with respect to them.
        """
        if self._images:
            logits = self._enlarged(auxiliaries, h)
            return [(logits, by_logits(logits.detach()))]
        weight, bias = (auxiliaries[f"{self.name}.{kind}"] for kind in ("weight", "bias"))
        own, flat = weight.detach().flatten(0, 1), h.detach().flatten(3).flatten(0, 1)
        logits = torch.baddbmm(bias.detach().flatten(0, 1).unsqueeze(1), flat, own.mT)
        # In place of a backward pass, since these are the largest products of a step: while the
        # logits are in the caches, and each gradient in the order of axes of its tensor.
        gradient = by_logits(logits.view(*h.shape[:3], -1)).flatten(0, 1)
        roots = [(weight, torch.bmm(gradient.mT, flat)), (bias, gradient.sum(1))]
        if h.requires_grad:
            roots.append((h, torch.bmm(gradient, own)))
        return [(tensor, by_tensor.view(tensor.shape)) for tensor, by_tensor in roots]

    def _enlarged(self, auxiliaries: State, h: Tensor) -> Tensor:
        """Return logits (L, M, B, inputs) for feature maps."""
        enlarged = functional.interpolate(
            h.flatten(0, 2), self._inputs[1:], mode="bilinear", align_corners=False
        )
        maps = enlarged.view(*h.shape[:4], *self._inputs[1:])
        return self._part(auxiliaries, maps).flatten(3)


class Similarities:
    """Features whose similarity is compared with that of labels (Nøkland & Eidnes 2019).

    For vectors, a square linear layer without bias; for feature maps, a 3x3 convolution without
    bias and the standard deviation of each map over its pixels.
    """

    def __init__(self, name: str, features: tuple[int, ...]) -> None:
        self._maps = _maps(features)
        if self._maps:
            channels = features[0]
            self._part: Convolutions | Perceptrons = Convolutions(
                name, channels, channels, bias=False
            )
        else:
            self._part = Perceptrons(name, features, math.prod(features), bias=False)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters of one member."""
        return self._part.parameters

    def __call__(self, auxiliaries: State, h: Tensor) -> Tensor:
        """Return vectors (L, M, B, D) for features (L, M, B, …)."""
        if not self._maps:
            return self._part(auxiliaries, h).transpose(2, 3)
        maps = self._part(auxiliaries, h).flatten(4)
        centred = maps - maps.mean(-1, keepdim=True)
        # vector_norm has a gradient of 0 where a map is constant; that of std is NaN.
        return torch.linalg.vector_norm(centred, dim=-1) / math.sqrt(max(1, maps.shape[-1] - 1))


def initial(
    parameters: Mapping[str, Parameter], members: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return parameters (M, …) from U(±1/√fan_in), torch's default, in float64."""
    state, bound = {}, 1.0
    for name, parameter in parameters.items():
        if len(parameter.shape) > 1:  # a bias follows its weight and has the same bound
            bound = 1 / math.sqrt(math.prod(parameter.shape[1:]))
        uniform = torch.rand((members, *parameter.shape), generator=generator, dtype=torch.float64)
        state[name] = (2 * uniform - 1) * bound
    return state


def _maps(shape: tuple[int, ...]) -> bool:
    """Return whether features are maps (C, H, W)."""
    return len(shape) == 3


def _suffix(layer: int) -> str:
    return f".{layer}" if layer else ""


def _parameter(name: str, shape: tuple[int, ...]) -> dict[str, Parameter]:
    return {name: Parameter(shape=shape, dims=tuple(f"{name}.{i}" for i in range(len(shape))))}
