"""How figures look: sizes for print, embedded fonts, colours that everybody can tell apart."""

import math
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex

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


def lam_colour(lam: float) -> str:
    """Return the colour of a λ, the same on every figure: dark violet for 0, to yellow for 1.

    Half of the way goes with λ and half with 1/(1−λ) on a log scale, since the interesting ones
    crowd near 1.
    """
    inside = min(max(lam, 0.0), 1.0)
    decades = -math.log10(1 - 0.999 * inside)  # 0 to 3
    return to_hex(mpl.colormaps["viridis"](0.9 * (inside / 2 + decades / 6)))
