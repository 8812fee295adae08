"""Requirements of journals and conferences: figure width, fonts, font sizes and resolution.

Widths and font sizes are those of tueplots where it supports the venue, and otherwise those of
the author guidelines. Only Nature and IEEE specify a minimum font size; the others are our choice.
"""

import functools
from dataclasses import dataclass
from typing import Any

from matplotlib import font_manager
from tueplots import bundles

from jtdiag.errors import ProbeError, nearest

DEFAULT = "lncs"
ALIASES = {"ecml": "lncs"}


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Requirements of one venue. Every figure fills the full width of a column or of the page."""

    name: str
    width: float
    """Inches."""
    size: float
    """Font size of labels and titles, in points."""
    small: float
    """Font size of tick labels, legends and annotations, in points."""
    min_size: float
    """Minimum font size in points; superscripts and subscripts may be smaller."""
    sans: bool = False
    """Whether text is set in a sans-serif font (like Helvetica) instead of Times."""
    grid: bool = True
    dpi: int = 300

    @property
    def rc(self) -> dict[Any, Any]:
        """Settings for ``matplotlib.rc_context``."""
        others = _other_scripts()
        family = {"font.family": ["sans-serif", *others], "mathtext.fontset": "dejavusans"}
        serif = {"font.family": ["serif", *others], "mathtext.fontset": "stix"}
        return {
            **(family if self.sans else serif),
            "font.serif": ["STIXGeneral", "DejaVu Serif"],
            "font.sans-serif": _sans(),
            **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), self.size),
            **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), self.small),
            "axes.grid": self.grid,
            "savefig.dpi": self.dpi,
        }


OTHER_SCRIPTS = (
    "DejaVu Sans",  # comes with matplotlib: Greek, Cyrillic, Hebrew, Arabic and symbols
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Symbol",
    "Arial Unicode MS",
)
"""Fonts for characters that the font of a venue does not have."""


@functools.cache
def _other_scripts() -> tuple[str, ...]:
    """Return those of `OTHER_SCRIPTS` that are installed."""
    installed = set(font_manager.get_font_names())
    return tuple(name for name in OTHER_SCRIPTS if name in installed)


def _sans() -> list[str]:
    """Return the installed fonts that resemble Helvetica; DejaVu Sans comes with matplotlib."""
    installed = set(font_manager.get_font_names())
    return [name for name in ("Arial", "Liberation Sans") if name in installed] + ["DejaVu Sans"]


def _from_tueplots(name: str, bundle: dict[str, Any], min_size: float) -> Venue:
    """Return a venue from a bundle of tueplots; small text is at least the minimum size."""
    return Venue(
        name=name,
        width=bundle["figure.figsize"][0],
        size=bundle["font.size"],
        small=max(min_size, bundle["legend.fontsize"]),
        min_size=min_size,
    )


VENUES = {
    venue.name: venue
    for venue in (
        Venue(name="lncs", width=4.8, size=9, small=8, min_size=6),
        _from_tueplots("neurips", bundles.neurips2024(usetex=False), 6),
        _from_tueplots("iclr", bundles.iclr2024(usetex=False), 6),
        _from_tueplots("icml", bundles.icml2024(usetex=False), 6),
        _from_tueplots("icml-wide", bundles.icml2024(usetex=False, column="full"), 6),
        Venue(name="ieee", width=3.5, size=8, small=8, min_size=8, dpi=600),
        Venue(name="ieee-wide", width=7.16, size=8, small=8, min_size=8, dpi=600),
        Venue(
            name="nature", width=3.5, size=7, small=6, min_size=5, sans=True, grid=False, dpi=450
        ),
        Venue(
            name="nature-wide",
            width=7.2,
            size=7,
            small=6,
            min_size=5,
            sans=True,
            grid=False,
            dpi=450,
        ),
        Venue(name="slides", width=5.5, size=11, small=10, min_size=9, sans=True, dpi=200),
    )
}
"""All venues by name. LNCS is the format of ECML, where Webb et al. appeared."""


def find(name: str) -> Venue:
    """Return the venue of that name.

    Raises:
        ProbeError: if there is no such venue.
    """
    venue = VENUES.get(ALIASES.get(name, name))
    if venue is None:
        raise ProbeError(
            f"There is no style '{name}'.{nearest(name, VENUES)} Styles: {', '.join(VENUES)}."
        )
    return venue
