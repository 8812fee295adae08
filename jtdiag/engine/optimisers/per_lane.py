"""Broadcasting one number per lane against tensors whose first axis is the lane."""

from torch import Tensor


def along_lanes(values_L: Tensor, like: Tensor) -> Tensor:
    """Return values (L,) as (L, 1, …), which broadcasts against a tensor (L, …)."""
    return values_L.view(-1, *[1] * (like.ndim - 1))
