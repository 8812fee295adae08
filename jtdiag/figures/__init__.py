"""Figures: each a function of a probe's result, one file each; found here by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import xarray as xr
from matplotlib.figure import Figure

from jtdiag import recipe_checks as check
from jtdiag.errors import ProbeError

FIGURES = ("error-against-lambda", "errors-by-epoch", "error-by-combiner")
"""Names of all figures; the file has underscores in the place of dashes."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One kind of figure."""

    name: str
    needs: str
    """Name of the probe whose result it draws."""
    draw: Callable[[xr.Dataset], Figure]
    caption: str


def find(name: str) -> Drawing:
    """Return a figure by its name.

    Raises:
        ProbeError: if there is none of that name.
    """
    if name not in FIGURES:
        raise ProbeError(
            f"There is no figure '{name}'.{check.nearest(name, FIGURES)} "
            f"Figures: {', '.join(FIGURES)}."
        )
    module = import_module(f"jtdiag.figures.{name.replace('-', '_')}")
    return Drawing(name=name, needs=module.NEEDS, draw=module.draw, caption=module.__doc__ or "")
