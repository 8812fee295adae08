"""Text graphics: sparklines and progress bars."""

import math
from collections.abc import Sequence

from jtdiag.watch.one_lane import thin

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-:=+*#"
BAR, REST = "━", "─"
ASCII_BAR, ASCII_REST = "#", "-"
UNKNOWN = "×"
"""Stands for a value that is not finite."""


def sparkline(values: Sequence[float], width: int, top: float, *, ascii_only: bool = False) -> str:
    """Return values as blocks whose height is proportional to the value, from 0 to `top`.

    Args:
        values: One per epoch. More than `width` values are averaged over neighbors.
        width: Maximum number of characters.
        top: Value of the highest block; larger values are clipped.
        ascii_only: Use ASCII characters only.
    """
    blocks, unknown = (ASCII_BLOCKS, "x") if ascii_only else (BLOCKS, UNKNOWN)
    if not values or width < 1:
        return ""

    def block(value: float) -> str:
        if not math.isfinite(value):
            return unknown
        fraction = value / top if top > 0 else 0.0
        return blocks[min(len(blocks) - 1, max(0, int(fraction * len(blocks))))]

    return "".join(map(block, thin(values, width)))


def bar(done: int, total: int, width: int, *, ascii_only: bool = False) -> tuple[str, str]:
    """Return the completed part of a progress bar and the rest; complete only at `total`."""
    full, rest = (ASCII_BAR, ASCII_REST) if ascii_only else (BAR, REST)
    count = width * done // total if total else 0
    return full * count, rest * (width - count)
