"""How figures look: sizes for print, embedded fonts, colours that everybody can tell apart."""

from typing import Any

import numpy as np
from matplotlib import colormaps

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


def lam_colour(lam: float) -> Any:
    """Return the colour of a λ, the same on every figure: from dark at 0 to light at 1.

    The steps are even in log(1 − λ), since the interesting λ crowd near 1.
    """
    place = 1.0 if lam >= 1 else min(1.0, -np.log10(1 - lam) / 3)
    return colormaps["plasma"](0.85 * place)


def lam_text(lam: float) -> str:
    """Return λ and its value as mathematics."""
    return rf"$\lambda = {lam:g}$"
