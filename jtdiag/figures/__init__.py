"""Figures of probe results, one file each.

`contract` defines what a figure is, `drawing` writes the files, `kinds` contains the built-in
figures. Importing this package does not import matplotlib; finding a figure does.
"""

from typing import TYPE_CHECKING, Final

from jtdiag.errors import ProbeError
from jtdiag.loading import Registry

if TYPE_CHECKING:
    from jtdiag.figures.contract import FigureKind

FIGURES: Final[Registry["FigureKind"]] = Registry(
    group="jtdiag.figures",
    kind="jtdiag.figures.contract:FigureKind",
    noun="figure",
    plural="figures",
    error=ProbeError,
    order=(
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
        "specialisation",
        "gradients",
        "by-depth",
        "by-depth-and-epoch",
        "similarity",
        "label-curve",
        "transfer",
        "rewinding",
        "credit",
        "lambda-mu",
        "gap",
        "kappa-against-lambda",
        "spectral-density",
    ),
)
"""Installed figures of runs, in the order in which they are drawn and listed."""
