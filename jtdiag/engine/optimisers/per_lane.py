"""One number for every lane, laid along a tensor of the lanes."""

from torch import Tensor


def along_lanes(values_L: Tensor, like: Tensor) -> Tensor:
    """Return values (L,) as (L, 1, …), to be multiplied with a tensor (L, …)."""
    return values_L.view(-1, *[1] * (like.ndim - 1))
