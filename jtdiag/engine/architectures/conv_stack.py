"""Convolutional members of Webb et al. 2020: 3x3 layers without padding, then a global average.

BatchNorm between a convolution and its ReLU is ours.
"""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.batch_norm import EPSILON, MOMENTUM, stacked_norm
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.feature_maps import merged, of_members, pooled_head
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.architectures.parts import HEAD, Parts, parts_of


class ConvNet(nn.Module):
    """One member: 3x3 convolutions with bias and ReLU, global average pooling, a linear layer."""

    def __init__(
        self,
        channels: int,
        filters: tuple[int, ...],
        strides: tuple[int, ...],
        outputs: int,
        *,
        norm: bool = False,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        before = channels
        for i, (after, stride) in enumerate(zip(filters, strides, strict=True), start=1):
            layers[f"conv{i}"] = nn.Conv2d(before, after, 3, stride)
            if norm:
                layers[f"norm{i}"] = nn.BatchNorm2d(after, EPSILON, MOMENTUM)
            layers[f"relu{i}"] = nn.ReLU()
            before = after
        self.layers = nn.Sequential(layers)
        self.head = nn.Linear(before, outputs)

    def parts(self) -> Parts:
        """Return a part for each convolution, with what follows it, and the head."""
        return {**parts_of(self.layers), HEAD: self._head}

    def _head(self, h: Tensor) -> Tensor:
        logits: Tensor = self.head(h.mean((2, 3)))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W)."""
        return self._head(self.layers(x))


class ConvStack(ModuleStack):
    """M ConvNets, stacked as one network of grouped convolutions.

    All members receive the same images, so the first layer is one ordinary convolution per lane;
    the later layers have one group per lane and member.
    """

    def __init__(
        self,
        count: int,
        channels: int,
        filters: tuple[int, ...],
        strides: tuple[int, ...],
        outputs: int,
        *,
        norm: bool = False,
    ) -> None:
        super().__init__(count, lambda: ConvNet(channels, filters, strides, outputs, norm=norm))
        self.strides = strides
        self.norm = norm

    def stacked(self, state: State, h: Tensor, start: int, stop: int, *, training: bool) -> Tensor:
        """Compute the layers after `start` up to `stop`: see `ModuleStack.run`."""
        lanes, members = state["head.bias"].shape[:2]  # fewer than M where memory is short
        h = merged(h)
        for i in range(start + 1, min(stop, len(self.strides)) + 1):
            weight = state[f"layers.conv{i}.weight"].flatten(0, 2)
            bias = state[f"layers.conv{i}.bias"].flatten()
            groups = lanes if i == 1 else lanes * members
            h = functional.conv2d(h, weight, bias, self.strides[i - 1], groups=groups)
            if self.norm:
                h = stacked_norm(state, f"layers.norm{i}", h, training)
            h = h.relu_()
        return of_members(h, lanes, members) if stop <= len(self.strides) else pooled_head(state, h)
