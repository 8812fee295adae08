"""DenseNet-BC members, as in Webb et al. 2020: three dense blocks for images of 32x32 pixels."""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.errors import RecipeError

BLOCKS = 3
BOTTLENECK = 4
"""Filters of a layer's 1x1 convolution, in units of its growth."""
MOMENTUM = 0.1
"""Share of the new batch in BatchNorm's running statistics, and torch's default."""
EPSILON = 1e-5
"""What BatchNorm adds to a variance, and torch's default."""


class DenseLayer(nn.Module):
    """BatchNorm, ReLU, 1x1 convolution, and again with 3x3; the result joins what was given."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        between = BOTTLENECK * growth
        self.norm1 = _norm(before)
        self.conv1 = nn.Conv2d(before, between, 1, bias=False)
        self.norm2 = _norm(between)
        self.conv2 = nn.Conv2d(between, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return feature maps (B, before + growth, H, W) for (B, before, H, W)."""
        h = self.conv1(self.norm1(x).relu())
        h = self.conv2(self.norm2(h).relu())
        return torch.cat((x, h), 1)


class DenseNet(nn.Module):
    """One member: a 3x3 convolution, dense blocks with transitions between, a linear head."""

    def __init__(
        self, channels: int, depth: int, growth: int, reduction: float, outputs: int
    ) -> None:
        super().__init__()
        width = 2 * growth
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["first"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
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
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, C, H, W)."""
        found: Tensor = self.head(self.layers(x).mean((2, 3)))
        return found

    def _initialise(self) -> None:
        """Draw the authors' initial weights, where they are not torch's defaults."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
        nn.init.zeros_(self.head.bias)


class DenseNetStack(ModuleStack):
    """M DenseNets; stacked, they are one network of grouped convolutions.

    All members see the same images, so the first layer is one plain convolution per lane; the
    later ones have a group for each lane and member. BatchNorm treats every channel alone, so
    one BatchNorm of all channels is that of every member.
    """

    def __init__(
        self, count: int, channels: int, depth: int, growth: int, reduction: float, outputs: int
    ) -> None:
        super().__init__(count, lambda: DenseNet(channels, depth, growth, reduction, outputs))
        self.layers_per_block = layers_per_block(depth)

    def stacked(self, state: State, x: Tensor, *, training: bool) -> Tensor:
        """Return logits (L, M, K, B); channels last: CPUs and tensor cores are fast on these."""
        lanes, batch = x.shape[:2]
        members = state["head.bias"].shape[1]  # a part of them, where memory is short
        h = x.transpose(0, 1).flatten(1, 2)
        h = h.contiguous(memory_format=torch.channels_last)
        first = state["layers.first.weight"].flatten(0, 2)
        h = functional.conv2d(h, first, padding=1, groups=lanes)
        for i in range(1, BLOCKS + 1):
            for j in range(1, self.layers_per_block + 1):
                layer = f"layers.block{i}.layer{j}"
                new = _stacked_conv(state, f"{layer}.norm1", f"{layer}.conv1", h, training)
                new = _stacked_conv(state, f"{layer}.norm2", f"{layer}.conv2", new, training)
                h = _joined(h, new, lanes * members)
            if i < BLOCKS:
                name = f"layers.transition{i}"
                h = _stacked_conv(state, f"{name}.norm", f"{name}.conv", h, training)
                h = functional.avg_pool2d(h, 2)
        h = _stacked_norm(state, "layers.norm", h, training).relu_()
        pooled = h.mean((2, 3)).view(batch, lanes, members, -1)
        weight, bias = state["head.weight"], state["head.bias"]
        return weight @ pooled.permute(1, 2, 3, 0) + bias.unsqueeze(-1)


def layers_per_block(depth: int) -> int:
    """Return how many dense layers each block has; a layer has two of the convolutions counted.

    Raises:
        RecipeError: The layers cannot be shared out evenly.
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
            f"members.reduction is {reduction:g}, which leaves nothing of the {width} filters "
            f"before a transition; give {1 / width:.3g} or more."
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
    """Return BatchNorm, ReLU and a convolution of every member, without changing the size."""
    weight = state[f"{conv}.weight"]
    lanes, members = weight.shape[:2]
    h = _stacked_norm(state, norm, h, training).relu_()
    return functional.conv2d(
        h, weight.flatten(0, 2), padding=weight.shape[-1] // 2, groups=lanes * members
    )


def _stacked_norm(state: State, name: str, h: Tensor, training: bool) -> Tensor:
    """Return BatchNorm of every member; training moves the running statistics in place."""
    weight, bias = state[f"{name}.weight"].flatten(), state[f"{name}.bias"].flatten()
    running = [state[f"{name}.running_{which}"] for which in ("mean", "var")]
    mean, var = (statistic.contiguous().flatten() for statistic in running)
    h = functional.batch_norm(h, mean, var, weight, bias, training, MOMENTUM, EPSILON)
    if training:
        state[f"{name}.num_batches_tracked"].add_(1)
        for statistic, moved in zip(running, (mean, var), strict=True):
            # Not onto itself: a copy counts as a change, and backward refuses changed tensors.
            if not statistic.is_contiguous():
                statistic.copy_(moved.view_as(statistic))
    return h


def _joined(before: Tensor, new: Tensor, groups: int) -> Tensor:
    """Return the feature maps of each group with its new ones behind, channels last as before."""
    parts = [t.permute(0, 2, 3, 1) for t in (before, new)]
    parts = [t.reshape(*t.shape[:3], groups, -1) for t in parts]
    return torch.cat(parts, 4).flatten(3).permute(0, 3, 1, 2)
