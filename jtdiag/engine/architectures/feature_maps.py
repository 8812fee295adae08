"""Feature maps of stacked members: the channels of all lanes and members in one convolution."""

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State


def merged(h: Tensor) -> Tensor:
    """Return images (L, B, C, H, W), or maps (L, M, B, C, H, W), as (B, channels of all, H, W).

    They are in channels-last format, which is fast for bfloat16 on CPUs and on tensor cores.
    """
    together = h.transpose(0, 1).flatten(1, 2) if h.ndim == 5 else _by_example(h).flatten(1, 3)
    return together.contiguous(memory_format=torch.channels_last)


def _by_example(h: Tensor) -> Tensor:
    return h.permute(2, 0, 1, 3, 4, 5)


def of_members(h: Tensor, lanes: int, members: int) -> Tensor:
    """Return maps (B, channels of all, H, W) as (L, M, B, C, H, W), without a copy."""
    return h.view(len(h), lanes, members, -1, *h.shape[2:]).permute(1, 2, 0, 3, 4, 5)


def pooled_head(state: State, h: Tensor) -> Tensor:
    """Return logits (L, M, K, B): the mean of each map, and every member's linear layer `head`."""
    weight, bias = state["head.weight"], state["head.bias"]
    pooled = h.mean((2, 3)).view(len(h), *bias.shape[:2], -1)
    return weight @ pooled.permute(1, 2, 3, 0) + bias.unsqueeze(-1)
