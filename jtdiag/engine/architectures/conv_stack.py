"""Convolutional members of Webb et al. 2020: 3x3 layers without padding, then a global average.

BatchNorm between a convolution and its ReLU is ours.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.batch_norm import EPSILON, MOMENTUM, stacked_norm
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack


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

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W)."""
        logits: Tensor = self.head(self.layers(x).mean((2, 3)))
        return logits


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

    def stacked(self, state: State, x: Tensor, *, training: bool) -> Tensor:
        """Return logits (L, M, K, B); channels last, the fast memory format for bfloat16."""
        lanes, batch = x.shape[:2]
        members = state["head.bias"].shape[1]  # fewer than M where memory is short
        h = x.transpose(0, 1).flatten(1, 2)
        h = h.contiguous(memory_format=torch.channels_last)
        for i, stride in enumerate(self.strides, start=1):
            weight = state[f"layers.conv{i}.weight"].flatten(0, 2)
            bias = state[f"layers.conv{i}.bias"].flatten()
            groups = lanes if i == 1 else lanes * members
            h = functional.conv2d(h, weight, bias, stride, groups=groups)
            if self.norm:
                h = stacked_norm(state, f"layers.norm{i}", h, training)
            h = h.relu_()
        pooled = h.mean((2, 3)).view(batch, lanes, members, -1)
        weight, bias = state["head.weight"], state["head.bias"]
        return weight @ pooled.permute(1, 2, 3, 0) + bias.unsqueeze(-1)
