"""Scaling a gradient where it passes from one module to another, without changing the values."""

from typing import Any

import torch
from torch import Tensor


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return h.view_as(h)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * gradient, None


def scaled(h: Tensor, factor: float) -> Tensor:
    """Return the same values; the gradient that passes through them is multiplied by a factor.

    At 0 nothing passes, not even NaN; at 1 the tensor itself is returned. A weighted sum of a
    tensor and its detached copy would change the values by rounding.
    """
    if factor == 0:
        return h.detach()
    scaled_h: Tensor = h if factor == 1 else _Scaled.apply(h, factor)  # type: ignore[no-untyped-call]
    return scaled_h
