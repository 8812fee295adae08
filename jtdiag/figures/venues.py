"""What each venue wants of a figure: its width, its fonts and their sizes, dots per inch.

Widths and sizes are tueplots' where it knows the venue; else the venue's own instructions. Only
Nature and the IEEE give a least size of text; the others' is ours.
"""

from dataclasses import dataclass
from typing import Any

from matplotlib import font_manager
from tueplots import bundles

from jtdiag.errors import ProbeError, nearest

DEFAULT = "lncs"
ALIASES = {"ecml": "lncs"}


@dataclass(frozen=True, kw_only=True)
class Venue:
    """What one venue wants. Every figure takes its whole width, a column's or the page's."""

    name: str
    width: float
    """Inches."""
    size: float
    """Points, of labels and titles."""
    small: float
    """Points, of numbers on axes, legends and remarks."""
    least: float
    """Points, below which no text may be; what stands raised or lowered in mathematics is less."""
    sans: bool = False
    """Letters as Helvetica's instead of Times'."""
    grid: bool = True
    dpi: int = 300

    @property
    def rc(self) -> dict[Any, Any]:
        """Settings for ``matplotlib.rc_context``."""
        family = {"font.family": "sans-serif", "mathtext.fontset": "dejavusans"}
        return {
            **(family if self.sans else {"font.family": "serif", "mathtext.fontset": "stix"}),
            "font.serif": ["STIXGeneral", "DejaVu Serif"],
            "font.sans-serif": _sans(),
            **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), self.size),
            **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), self.small),
            "axes.grid": self.grid,
            "savefig.dpi": self.dpi,
        }


def _sans() -> list[str]:
    """Return what looks like Helvetica and is installed; matplotlib brings the last itself."""
    known = set(font_manager.get_font_names())
    return [name for name in ("Arial", "Liberation Sans") if name in known] + ["DejaVu Sans"]


def _of(name: str, bundle: dict[str, Any], least: float) -> Venue:
    """Return a venue that tueplots knows; its small text is never below the least."""
    return Venue(
        name=name,
        width=bundle["figure.figsize"][0],
        size=bundle["font.size"],
        small=max(least, bundle["legend.fontsize"]),
        least=least,
    )


VENUES = {
    venue.name: venue
    for venue in (
        Venue(name="lncs", width=4.8, size=9, small=8, least=6),
        _of("neurips", bundles.neurips2024(usetex=False), 6),
        _of("iclr", bundles.iclr2024(usetex=False), 6),
        _of("icml", bundles.icml2024(usetex=False), 6),
        _of("icml-wide", bundles.icml2024(usetex=False, column="full"), 6),
        Venue(name="ieee", width=3.5, size=8, small=8, least=8, dpi=600),
        Venue(name="ieee-wide", width=7.16, size=8, small=8, least=8, dpi=600),
        Venue(name="nature", width=3.5, size=7, small=6, least=5, sans=True, grid=False, dpi=450),
        Venue(
            name="nature-wide", width=7.2, size=7, small=6, least=5, sans=True, grid=False, dpi=450
        ),
        Venue(name="slides", width=5.5, size=11, small=10, least=9, sans=True, dpi=200),
    )
}
"""By name. LNCS is that of the paper's venue, ECML."""


def find(name: str) -> Venue:
    """Return a venue by its name.

    Raises:
        ProbeError: if there is none of that name.
    """
    known = ALIASES.get(name, name)
    if known not in VENUES:
        raise ProbeError(
            f"There is no style '{name}'.{nearest(name, VENUES)} Styles: {', '.join(VENUES)}."
        )
    return VENUES[known]
