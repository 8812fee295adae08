"""Figures: each a function of a probe's result, one file each; found here by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from matplotlib.figure import Figure

from jtdiag.errors import ProbeError, nearest

FIGURES = (
    "error-against-lambda",
    "members-against-lambda",
    "errors-by-epoch",
    "error-by-combiner",
    "accuracy-against-dropped",
    "accuracy-against-faults",
    "accuracy-against-compute",
    "reliability",
    "filters",
    "filter-norms",
    "collusion",
    "capacity",
    "diversity-against-lambda",
    "variance-against-lambda",
    "votes-against-lambda",
    "leader-by-epoch",
    "displacement",
    "gradients",
    "kappa-against-lambda",
    "spectral-density",
)
"""Names of all figures; the file has underscores in the place of dashes."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One kind of figure."""

    name: str
    needs: str
    """Name of the probe whose result it draws."""
    draw: Callable[..., Figure]
    """Takes a result; one that compares runs, a list of results by run."""
    compares: bool
    """True when several runs share one figure."""
    uses: tuple[str, ...]
    """Variables of the result that are drawn."""
    caption: str


def find(name: str) -> Drawing:
    """Return a figure by its name.

    Raises:
        ProbeError: if there is none of that name.
    """
    if name not in FIGURES:
        raise ProbeError(
            f"There is no figure '{name}'.{nearest(name, FIGURES)} Figures: {', '.join(FIGURES)}."
        )
    module = import_module(f"jtdiag.figures.kinds.{name.replace('-', '_')}")
    return Drawing(
        name=name,
        needs=module.NEEDS,
        draw=module.draw,
        compares=getattr(module, "COMPARES", False),
        uses=module.USES,
        caption=module.__doc__ or "",
    )
