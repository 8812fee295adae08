"""ResNeXt (Xie et al. 2017), torchvision's, with the branches of its last block as members.

A block of ResNeXt adds M parallel branches T_j to its input: y = relu(s + Σ_j T_j). Webb et al.
2020 ask whether one branch can dominate, like a member of an ensemble. The logits of branch j of
the last block are defined as

    logits_j = head(pool(mask ∘ (s + M·T_j))),   mask = [s + Σ_j T_j > 0],

the logits of the network if all branches had the output of this one, with the ReLU mask of the
actual forward pass. Pooling and head are affine, so the mean over j is the logits of the network:
the ensemble is the network, and λ = 1 is its ordinary training.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.branch_stack import BranchStack
from jtdiag.engine.torchvision_import import import_torchvision

_resnet = import_torchvision().models.resnet

SMALL_IMAGE = 64
"""Smaller images are not downsampled at first, as in ResNets for CIFAR (He et al. 2016)."""


class BranchResNeXt(_resnet.ResNet):  # type: ignore[misc, name-defined]
    """torchvision's ResNeXt; `forward` returns the logits of each branch."""

    def __init__(
        self,
        branches: int,
        blocks: tuple[int, ...],
        width: int,
        image: tuple[int, ...],
        outputs: int,
    ) -> None:
        super().__init__(
            _resnet.Bottleneck, list(blocks), outputs, groups=branches, width_per_group=width
        )
        self.branches = branches
        channels = image[0]
        if min(image[1:]) < SMALL_IMAGE:
            self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
            self.maxpool: nn.Module = nn.Identity()
        elif channels != 3:
            self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, M, K) of the last block's branches for images (B, C, H, W)."""
        h = self.before_last_block(x)
        shared, of_branch = self._last_block(h)
        mask = (shared + of_branch.sum(1) > 0).to(shared.dtype)
        pooled = (mask * shared).mean((2, 3)).unsqueeze(1)
        pooled = pooled + self.branches * (mask.unsqueeze(1) * of_branch).mean((3, 4))
        logits: Tensor = self.fc(pooled)
        return logits

    def before_last_block(self, x: Tensor) -> Tensor:
        """Return the input feature maps (B, C, H, W) of the last block."""
        x = x.contiguous(memory_format=torch.channels_last)
        h = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4[:-1]):
            h = stage(h)
        return h

    def _last_block(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shortcut (B, C, H, W) and the contribution of each branch, (B, M, C, H, W).

        The batch norm after the sum of the branches is affine: each branch is scaled like the sum,
        and receives an equal part of the shift.
        """
        block: Any = self.layer4[-1]
        shared = h if block.downsample is None else block.downsample(h)
        h = block.relu(block.bn1(block.conv1(h)))
        h = block.relu(block.bn2(block.conv2(h)))
        of_branch = self._by_branch(h, block.conv3.weight)
        total = of_branch.sum(1)
        normal = block.bn3(total)
        scale = _scale(block.bn3, total).view(-1, 1, 1)
        shift = (normal - scale * total) / self.branches
        return shared, scale * of_branch + shift.unsqueeze(1)

    def _by_branch(self, h: Tensor, weight: Tensor) -> Tensor:
        """Return the 1x1 convolution of the channels of each branch, (B, M, C, H, W)."""
        outputs = len(weight)
        of_branch = weight.view(outputs, self.branches, -1).transpose(0, 1).flatten(0, 1)
        maps = functional.conv2d(h, of_branch[:, :, None, None], groups=self.branches)
        return maps.view(len(h), self.branches, outputs, *h.shape[2:])


def _scale(norm: nn.BatchNorm2d, total: Tensor) -> Tensor:
    """Return the factor by which a batch norm scales each channel of (B, C, H, W)."""
    exact = total.to(norm.weight.dtype)  # not in bfloat16
    var = exact.var((0, 2, 3), unbiased=False) if norm.training else norm.running_var
    assert var is not None  # a ResNeXt keeps running statistics
    return norm.weight / (var + norm.eps).sqrt()


def resnext(
    branches: int, blocks: tuple[int, ...], width: int, image: tuple[int, ...], outputs: int
) -> BranchStack:
    """Return the branches of a ResNeXt as members.

    Args:
        branches: Cardinality, M.
        blocks: Number of blocks in each of the four stages.
        width: Number of filters of a branch in the first stage.
        image: Shape (C, H, W).
        outputs: Number of classes, K.
    """
    return BranchStack(lambda: BranchResNeXt(branches, blocks, width, image, outputs))
