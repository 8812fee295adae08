"""What a figure is: a record with a function that draws the results of one probe."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from jtdiag.errors import ProbeError

Results = Sequence[tuple[str, xr.Dataset]]
"""The name of each run, and its result."""


class OtherRunsError(ProbeError):
    """A figure compares runs of another kind, or more of them.

    It is left out without a word unless it was asked for by name.
    """


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """One kind of figure."""

    name: str
    """As on the command line, such as ``errors-by-epoch``."""
    needs: str
    """Name of the probe whose result is drawn; empty for the figure of a study."""
    uses: tuple[str, ...]
    """Variables of the result that are drawn."""
    caption: str
    """As a paper would print it; the first sentence is the title."""
    draw: Callable[[Results], Figure]
    """Returns a new figure. It gets one pair (name, result), or several if `compares` is true,
    and raises a `ProbeError` if the results contain nothing to draw."""
    optional: tuple[str, ...] = ()
    """Variables that are drawn too if the result has them; those of older versions may not."""
    compares: bool = False
    """Whether several runs can share one figure."""

    @property
    def title(self) -> str:
        """First sentence of the caption."""
        return re.split(r"(?<=[.?])\s", self.caption, maxsplit=1)[0]
