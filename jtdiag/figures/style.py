"""How figures look: sizes for print, embedded fonts, colours that everybody can tell apart."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from jtdiag import names

WIDTH = 4.8
"""Inches: the text width of LNCS, the paper's venue."""
WIDE = 7.0
"""Inches: two columns."""

# Okabe and Ito's palette: told apart with any colour vision, and by lightness in grey.
ENSEMBLE = "#000000"
LEADER = "#D55E00"
MEMBER = "#7A9FBF"

HOPELESS = 150
"""Percent of error above which nothing is drawn: a constant prediction has 100 or less."""

LABELS = {names.TRAIN: "Training", names.VAL: "Validation", names.TEST: "Test"}
"""Splits as they are called on figures."""

RC: dict[Any, Any] = {
    "font.family": "serif",
    "font.serif": ["STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # TrueType, embedded and searchable; publishers refuse Type 3
    "ps.fonttype": 42,
    "savefig.dpi": 300,
}
"""Settings for ``matplotlib.rc_context``; nothing global is changed."""


def lam_text(lam: float) -> str:
    """Return λ and its value as mathematics."""
    return rf"$\lambda = {lam:g}$"


def error_label(result: xr.Dataset, what: str) -> str:
    """Return the label of an axis of errors in percent; of other families, with their measure."""
    measure = str(result.attrs.get("error_measure", "fraction wrong"))
    if measure == "fraction wrong":
        return f"{what} (%)"
    return f"{what}\n(% of {measure.removeprefix('fraction of ')})"


def keep_in_sight(ax: Axes) -> None:
    """Cut an axis of errors in percent where a member that diverged would flatten the others."""
    if ax.get_ylim()[1] > HOPELESS:
        ax.set_ylim(0, HOPELESS)


def lam_colour(lam: float) -> str:
    """Return the colour of a λ, the same on every figure: dark violet for 0, to yellow for 1.

    Half of the way goes with λ and half with 1/(1−λ) on a log scale, since the interesting ones
    crowd near 1.
    """
    inside = min(max(lam, 0.0), 1.0)
    decades = -math.log10(1 - 0.999 * inside)  # 0 to 3
    return to_hex(mpl.colormaps["viridis"](0.89 * (inside / 2 + decades / 6)))


def end_names(ax: Axes, lams: NDArray[np.floating]) -> None:
    """Write what λ = 0 and λ = 1 mean below their ticks, at the ends of the axis."""
    for lam, text, side in ((0.0, "independent", "left"), (1.0, "end to end", "right")):
        if lam in lams and len(lams) > 1:
            ax.annotate(
                text,
                (0.0 if side == "left" else 1.0, 0),
                xycoords="axes fraction",
                xytext=(0, -20),
                textcoords="offset points",
                ha=side,
                va="top",
                fontsize=8,
                style="italic",
            )
