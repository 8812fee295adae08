"""Small drawings of characters: a course of numbers as blocks, a share as a bar."""

import math
from collections.abc import Sequence

from jtdiag.watch.one_lane import thin

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-:=+*#"
BAR, REST = "━", "─"
ASCII_BAR, ASCII_REST = "#", "-"
UNKNOWN = "×"
"""Where a number is not finite."""


def sparkline(values: Sequence[float], width: int, top: float, *, ascii_only: bool = False) -> str:
    """Return a course as blocks between 0 and `top`, one for each value.

    Args:
        values: By epoch; of more than `width`, means of neighbours are drawn.
        width: Characters at most.
        top: What the highest block stands for; larger values are drawn as high.
        ascii_only: Draw with characters that every terminal has.
    """
    blocks, unknown = (ASCII_BLOCKS, "x") if ascii_only else (BLOCKS, UNKNOWN)
    if not values or width < 1:
        return ""

    def block(value: float) -> str:
        if not math.isfinite(value):
            return unknown
        share = value / top if top > 0 else 0.0
        return blocks[min(len(blocks) - 1, max(0, int(share * len(blocks))))]

    return "".join(map(block, thin(values, width)))


def bar(done: int, whole: int, width: int, *, ascii_only: bool = False) -> tuple[str, str]:
    """Return the done part of a bar and the rest; full only when all is done."""
    full, rest = (ASCII_BAR, ASCII_REST) if ascii_only else (BAR, REST)
    count = width * done // whole if whole else 0
    return full * count, rest * (width - count)
