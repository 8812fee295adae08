"""How figures look: sizes for print, embedded fonts, colours that everybody can tell apart."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
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


def lam_color(lam: float) -> str:
    """Return the colour of a λ: the same on every figure, from dark (0) to light (1).

    The scale is about logarithmic in 1 − λ, since the interesting λ crowd near 1.
    """
    least = 0.004
    at = 1 - math.log((1 - lam + least) / least) / math.log((1 + least) / least)
    return mpl.colors.to_hex(mpl.colormaps["plasma"](0.82 * at))


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
