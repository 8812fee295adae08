"""The order of the axes of images in a file: (N, C, H, W) or (N, H, W, C)."""

from collections.abc import Sequence
from typing import Final

from jtdiag.errors import DataError

LAYOUTS: Final = ("auto", "nchw", "nhwc")
"""Values of data.layout; with "auto" the order follows from the shape, if it does."""
_USUAL: Final = (1, 3, 4)
"""Channels of grayscale, RGB and RGBA images."""


def channels_last(
    key: str, shape: Sequence[int], layout: str, *, setting: str = "data.layout ="
) -> bool:
    """Return whether the channels of images are their last axis.

    The order follows from the shape if only one of the two ends is a usual number of channels. If
    none is, the channels are the first axis if it is the shortest, and the image is then not more
    oblong than with the channels last.

    Args:
        key: Name of the array, for messages.
        shape: (N, A, B, C).
        layout: One of `LAYOUTS`.
        setting: How the layout is set, for messages.

    Raises:
        DataError: if the layout is "auto", and the shape leaves it open.
    """
    if layout != "auto":
        return layout == "nhwc"
    first, second, third = shape[1:]
    usual_first, usual_last = first in _USUAL, third in _USUAL
    square = {"first": second == third != first, "last": first == second != third}
    if usual_last and not usual_first and not square["first"]:
        return True
    if usual_first and not usual_last and not square["last"]:
        return False
    unusual = not usual_first and not usual_last
    more_oblong_if_last = first * third <= second**2  # third / second <= second / first
    if unusual and first < min(second, third) and more_oblong_if_last:
        return False
    raise DataError(
        f"{key} has shape {tuple(shape)}, which can be read as (N, C, H, W) or (N, H, W, C); set "
        f"{setting} 'nchw' or 'nhwc'."
    )
