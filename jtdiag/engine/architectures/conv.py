"""Convolutional members of Webb et al. 2020: 3x3 layers without padding, then a global average."""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack

KERNEL = 3


class ConvNet(nn.Module):
    """One member: layers of 3x3 convolutions with bias and ReLU, global average pool, linear."""

    def __init__(
        self, channels: int, filters: tuple[int, ...], strides: tuple[int, ...], outputs: int
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        before = channels
        for i, (after, stride) in enumerate(zip(filters, strides, strict=True), start=1):
            layers[f"conv{i}"] = nn.Conv2d(before, after, KERNEL, stride)
            layers[f"relu{i}"] = nn.ReLU()
            before = after
        self.layers = nn.Sequential(layers)
        self.head = nn.Linear(before, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W)."""
        found: Tensor = self.head(self.layers(x).mean((2, 3)))
        return found


class ConvStack(ModuleStack):
    """M ConvNets; stacked, they are one network of grouped convolutions.

    All members see the same images, so the first layer is one plain convolution per lane; the
    later ones have a group for each lane and member.
    """

    def __init__(
        self,
        count: int,
        channels: int,
        filters: tuple[int, ...],
        strides: tuple[int, ...],
        outputs: int,
    ) -> None:
        super().__init__(count, lambda: ConvNet(channels, filters, strides, outputs))
        self.strides = strides

    def stacked(self, state: State, x: Tensor, *, training: bool) -> Tensor:
        """Return logits (L, M, K, B); channels last, which is the fast order of bfloat16."""
        lanes, batch = x.shape[:2]
        members = state["head.bias"].shape[1]  # a part of them, where memory is short
        h = x.transpose(0, 1).flatten(1, 2)
        h = h.contiguous(memory_format=torch.channels_last)
        for i, stride in enumerate(self.strides, start=1):
            weight = state[f"layers.conv{i}.weight"].flatten(0, 2)
            bias = state[f"layers.conv{i}.bias"].flatten()
            groups = lanes if i == 1 else lanes * members
            h = functional.conv2d(h, weight, bias, stride, groups=groups).relu_()
        pooled = h.mean((2, 3)).view(batch, lanes, members, -1)
        weight, bias = state["head.weight"], state["head.bias"]
        return weight @ pooled.permute(1, 2, 3, 0) + bias.unsqueeze(-1)


def size_after(size: int, strides: tuple[int, ...]) -> int:
    """Return the side of the feature maps after all layers; 0 or less if nothing is left."""
    for stride in strides:
        size = math.floor((size - KERNEL) / stride) + 1
    return size
