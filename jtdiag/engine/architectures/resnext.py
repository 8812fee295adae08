"""ResNeXt (Xie et al. 2017), torchvision's, with the branches of its last block as members.

A block of ResNeXt adds M parallel branches T_j to its input: y = relu(s + Σ_j T_j). Are branches
dominated as the members of an ensemble are, Webb et al. 2020 ask. Branch j of the last block says

    logits_j = head(pool(mask ∘ (s + M·T_j))),   mask = [s + Σ_j T_j > 0],

what the network would say if all its branches said what this one says, at the working points of
the rectifiers as they are. Pool and head are affine, so that the mean over j is the network's
logits: the ensemble is the network, and λ = 1 trains it as it is trained anywhere.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from jtdiag.engine.architectures.branch_stack import BranchStack
from jtdiag.engine.torchvision_import import import_torchvision

_resnet = import_torchvision().models.resnet

SMALL_IMAGE = 64
"""Images with shorter sides keep their size at first, as ResNets for CIFAR do (He et al. 2016)."""


class BranchResNeXt(_resnet.ResNet):  # type: ignore[misc, name-defined]
    """torchvision's ResNeXt under its own parameter names; `forward` tells branches apart."""

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
        found: Tensor = self.fc(pooled)
        return found

    def before_last_block(self, x: Tensor) -> Tensor:
        """Return the feature maps (B, C, H, W) that enter the last block."""
        x = x.contiguous(memory_format=torch.channels_last)
        h = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4[:-1]):
            h = stage(h)
        return h

    def _last_block(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shortcut (B, C, H, W) and what each branch adds to it, (B, M, C, H, W).

        The batch norm behind the sum of the branches is affine: each branch is scaled as the sum
        is, and has an equal part of the shift.
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
        """Return the 1x1 convolution of each branch's own channels alone, (B, M, C, H, W)."""
        outputs = len(weight)
        own = weight.view(outputs, self.branches, -1).transpose(0, 1).flatten(0, 1)
        found = functional.conv2d(h, own[:, :, None, None], groups=self.branches)
        return found.view(len(h), self.branches, outputs, *h.shape[2:])


def _scale(norm: nn.BatchNorm2d, total: Tensor) -> Tensor:
    """Return by how much a batch norm multiplies each channel of (B, C, H, W)."""
    own = total.to(norm.weight.dtype)  # not in bfloat16
    var = own.var((0, 2, 3), unbiased=False) if norm.training else norm.running_var
    assert var is not None  # norms of a ResNeXt keep running statistics
    return norm.weight / (var + norm.eps).sqrt()


def resnext(
    branches: int, blocks: tuple[int, ...], width: int, image: tuple[int, ...], outputs: int
) -> BranchStack:
    """Return a ResNeXt's branches as members.

    Args:
        branches: M, the cardinality.
        blocks: Blocks in each of the four stages.
        width: Filters of a branch in the first stage.
        image: (C, H, W).
        outputs: Classes, K.
    """
    return BranchStack(lambda: BranchResNeXt(branches, blocks, width, image, outputs))
