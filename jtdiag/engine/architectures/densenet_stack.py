"""DenseNet-BC members, as in Webb et al. 2020: three dense blocks for 32x32 images."""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.batch_norm import EPSILON, MOMENTUM, stacked_norm
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.feature_maps import merged, of_members, pooled_head
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.architectures.parts import HEAD, Parts
from jtdiag.errors import RecipeError

BLOCKS = 3
FIRST = "first"
"""Name of the first convolution."""
BOTTLENECK = 4
"""Filters of the 1x1 convolution of a layer, in units of the growth rate."""


class DenseLayer(nn.Module):
    """BatchNorm, ReLU, 1x1 convolution, the same with 3x3; concatenated with the input."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        bottleneck = BOTTLENECK * growth
        self.norm1 = _norm(before)
        self.conv1 = nn.Conv2d(before, bottleneck, 1, bias=False)
        self.norm2 = _norm(bottleneck)
        self.conv2 = nn.Conv2d(bottleneck, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return feature maps (B, before + growth, H, W) for (B, before, H, W)."""
        h = self.conv1(self.norm1(x).relu())
        h = self.conv2(self.norm2(h).relu())
        return torch.cat((x, h), 1)


class DenseNet(nn.Module):
    """One member: a 3x3 convolution, dense blocks with transitions, a linear head."""

    def __init__(
        self, channels: int, depth: int, growth: int, reduction: float, outputs: int
    ) -> None:
        super().__init__()
        width = 2 * growth
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers[FIRST] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        for i in range(1, BLOCKS + 1):
            block: OrderedDict[str, nn.Module] = OrderedDict()
            for j in range(1, layers_per_block(depth) + 1):
                block[f"layer{j}"] = DenseLayer(width, growth)
                width += growth
            layers[f"block{i}"] = nn.Sequential(block)
            if i < BLOCKS:
                kept = _kept(width, reduction)
                layers[f"transition{i}"] = _transition(width, kept)
                width = kept
        layers["norm"] = _norm(width)
        layers["relu"] = nn.ReLU()
        self.layers = nn.Sequential(layers)
        self.head = nn.Linear(width, outputs)
        self._initialize()

    def parts(self) -> Parts:
        """Return the first convolution, each block with its transition, and the head."""
        parts: dict[str, nn.Sequential] = {}
        for name, layer in self.layers.named_children():
            if name == FIRST or name.startswith("block"):
                parts[name] = nn.Sequential()
            next(reversed(parts.values())).append(layer)
        return {**parts, HEAD: self._head}

    def _head(self, h: Tensor) -> Tensor:
        logits: Tensor = self.head(h.mean((2, 3)))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W)."""
        return self._head(self.layers(x))

    def _initialize(self) -> None:
        """Initialize as Webb et al. did, where it differs from torch's defaults."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
        nn.init.zeros_(self.head.bias)


class DenseNetStack(ModuleStack):
    """M DenseNets, stacked as one network of grouped convolutions.

    All members receive the same images, so the first layer is one ordinary convolution per lane;
    the later layers have one group per lane and member.
    """

    def __init__(
        self, count: int, channels: int, depth: int, growth: int, reduction: float, outputs: int
    ) -> None:
        super().__init__(count, lambda: DenseNet(channels, depth, growth, reduction, outputs))
        self.layers_per_block = layers_per_block(depth)

    def stacked(self, state: State, h: Tensor, start: int, stop: int, *, training: bool) -> Tensor:
        """Compute the parts after `start` up to `stop`: see `ModuleStack.run`."""
        lanes, members = state["head.bias"].shape[:2]  # fewer than M where memory is short
        h = merged(h)
        if start == 0:
            first = state["layers.first.weight"].flatten(0, 2)
            h = functional.conv2d(h, first, padding=1, groups=lanes)
        for i in range(max(start, 1), min(stop - 1, BLOCKS) + 1):
            h = self._block(state, i, h, training)
        return of_members(h, lanes, members) if stop <= BLOCKS + 1 else pooled_head(state, h)

    def _block(self, state: State, i: int, h: Tensor, training: bool) -> Tensor:
        """Return what block i and its transition, or after the last one the norm, return."""
        groups = math.prod(state["head.bias"].shape[:2])
        for j in range(1, self.layers_per_block + 1):
            layer = f"layers.block{i}.layer{j}"
            new = _stacked_conv(state, f"{layer}.norm1", f"{layer}.conv1", h, training)
            new = _stacked_conv(state, f"{layer}.norm2", f"{layer}.conv2", new, training)
            h = _concatenated(h, new, groups)
        if i == BLOCKS:
            return stacked_norm(state, "layers.norm", h, training).relu_()
        name = f"layers.transition{i}"
        return functional.avg_pool2d(
            _stacked_conv(state, f"{name}.norm", f"{name}.conv", h, training), 2
        )


def layers_per_block(depth: int) -> int:
    """Return the number of dense layers of each block; a layer has two convolutions.

    Raises:
        RecipeError: if the layers cannot be divided evenly among the blocks.
    """
    layers, rest = divmod(depth - 4, 2 * BLOCKS)
    if rest or layers < 1:
        raise RecipeError(
            f"members.depth is {depth}; a densenet's depth is 4 plus a multiple of 6, "
            "for example 40, 64 or 100."
        )
    return layers


def _kept(width: int, reduction: float) -> int:
    kept = math.floor(width * reduction)
    if kept < 1:
        raise RecipeError(
            f"members.reduction is {reduction:g}, which keeps none of the {width} filters "
            f"before a transition; set {1 / width:.3g} or more."
        )
    return kept


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, EPSILON, MOMENTUM)


def _transition(before: int, after: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["norm"] = _norm(before)
    layers["relu"] = nn.ReLU()
    layers["conv"] = nn.Conv2d(before, after, 1, bias=False)
    layers["pool"] = nn.AvgPool2d(2)
    return nn.Sequential(layers)


def _stacked_conv(state: State, norm: str, conv: str, h: Tensor, training: bool) -> Tensor:
    """Return BatchNorm, ReLU and a convolution of every member; the image size stays the same."""
    weight = state[f"{conv}.weight"]
    lanes, members = weight.shape[:2]
    h = stacked_norm(state, norm, h, training).relu_()
    return functional.conv2d(
        h, weight.flatten(0, 2), padding=weight.shape[-1] // 2, groups=lanes * members
    )


def _concatenated(before: Tensor, new: Tensor, groups: int) -> Tensor:
    """Return the feature maps of each group followed by its new ones, in channels last."""
    parts = [t.permute(0, 2, 3, 1) for t in (before, new)]
    parts = [t.reshape(*t.shape[:3], groups, -1) for t in parts]
    return torch.cat(parts, 4).flatten(3).permute(0, 3, 1, 2)
