"""How figures look: sizes for print, embedded fonts, colours that everybody can tell apart."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.figures import venues
from jtdiag.figures.venues import Venue

# Okabe and Ito's palette: told apart with any colour vision, and by lightness in grey.
ENSEMBLE = "#000000"
LEADER = "#D55E00"
MEMBER = "#7A9FBF"
PAIR = "#009E73"
QUIET = "#888888"
"""Of lines that only help to read."""

HOPELESS = 150
"""Percent of error above which nothing is drawn: a constant prediction has 100 or less."""
TALLEST = 8.5
"""Inches, of a figure: what a page holds with its caption."""
PANEL = 12
"""Least width of a panel that shares its axes with others, in widths of the letter m."""
APART = 16
"""Least width of a panel with axes of its own, in widths of the letter m."""

LABELS = {names.TRAIN: "Training", names.VAL: "Validation", names.TEST: "Test"}
"""Splits as they are called on figures."""
MARKS = "osD^vP*X<"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))

_LOOKS: dict[Any, Any] = {
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "text.usetex": False,
    "pdf.fonttype": 42,  # TrueType, embedded and searchable; publishers refuse Type 3
    "ps.fonttype": 42,
    "svg.hashsalt": "jtdiag",  # the same result gives the same file
    "pgf.rcfonts": False,  # the document's
}

_DEFAULT = venues.find(venues.DEFAULT)
_venue: ContextVar[Venue] = ContextVar("venue", default=_DEFAULT)


@contextmanager
def of(name: str = venues.DEFAULT) -> Iterator[Venue]:
    """Draw for a venue within the block; nothing global is changed.

    Raises:
        ProbeError: if there is no venue of that name.
    """
    venue = venues.find(name)
    before = _venue.set(venue)
    try:
        with mpl.rc_context({**_LOOKS, **venue.rc}):
            yield venue
    finally:
        _venue.reset(before)


def width() -> float:
    """Return the width of every figure, in inches."""
    return _venue.get().width


def small() -> float:
    """Return the size of small text, in points."""
    return _venue.get().small


def columns(least: float = PANEL) -> int:
    """Return how many panels fit beside each other.

    Args:
        least: Width of a panel with its labels, in widths of the letter m.
    """
    return max(1, int(72 * width() / (least * _venue.get().size)))


def high(inches: float, *, rows: bool = False) -> float:
    """Return a height for the venue, in inches.

    Args:
        inches: At LNCS, where text has 9 points.
        rows: True where the number of panels follows the width; the height then follows the size
            of the text alone, and else a little of the width as well.
    """
    text = _venue.get().size / 9
    wider = 1.0 if rows else (width() / 4.8 / text) ** 0.3
    return min(TALLEST, inches * text * wider)


def figure(inches: float, *, rows: bool = False) -> Figure:
    """Return an empty figure of the venue's width; its height as `high` says."""
    return Figure(figsize=(width(), high(inches, rows=rows)), layout="constrained")


def legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put a legend above all panels, read from left to right, in as many columns as fit."""
    count = len(labels)
    for beside in range(count, 0, -1):
        order = [i for first in range(beside) for i in range(first, count, beside)]
        made = figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside upper center",
            ncols=beside,
            columnspacing=1.4,
            handletextpad=0.5,
        )
        if beside == 1 or made.get_window_extent().width < figure.bbox.width:
            return
        made.remove()


def legend_of(figure: Figure) -> None:
    """Put a legend above all panels that names everything labelled in them once."""
    named = {
        label: handle
        for panel in figure.axes
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if named:
        legend(figure, list(named.values()), list(named))


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


def _place(lam: float) -> float:
    """Return where a λ stands between 0 and 1.

    Half of the way goes with λ and half with 1/(1−λ) on a log scale, since the interesting ones
    crowd near 1.
    """
    inside = min(max(lam, 0.0), 1.0)
    decades = -math.log10(1 - 0.999 * inside)  # 0 to 3
    return inside / 2 + decades / 6


def lam_colour(lam: float) -> str:
    """Return the colour of a λ, the same on every figure: dark violet for 0, to yellow for 1."""
    return to_hex(mpl.colormaps["viridis"](0.89 * _place(lam)))


def lam_mark(lam: float) -> dict[str, Any]:
    """Return colour and marker of a λ, the same on every figure."""
    return {"color": lam_colour(lam), "marker": MARKS[_step(lam) % len(MARKS)], "markersize": 3.5}


def lam_line(lam: float) -> dict[str, Any]:
    """Return colour, marker and dashes of a λ, the same on every figure."""
    return {**lam_mark(lam), "linestyle": DASHES[_step(lam) % len(DASHES)]}


def _step(lam: float) -> int:
    return round(16 * _place(lam))


def run_line(i: int, count: int) -> dict[str, Any]:
    """Return colour, marker and dashes of the i-th of several runs that share axes."""
    colour = mpl.colormaps["plasma"](0.85 * i / max(1, count - 1))
    return {
        "color": to_hex(colour),
        "marker": MARKS[i % len(MARKS)],
        "linestyle": DASHES[i % len(DASHES)],
    }


def lam_axis(ax: Axes, lams: NDArray[np.floating]) -> None:
    """Name the λs, ascending and evenly spaced, below the axes; leave out where they would touch.

    The first and the last are always named.
    """
    at = np.arange(len(lams))
    grid = ax.get_gridspec()
    room = 72 * width() / (grid.ncols if grid else 1) - 5 * small()
    every = math.ceil(len(lams) * (2.7 if _venue.get().sans else 2.1) * small() / room)
    last = len(lams) - 1
    named = sorted({0, last, *(i for i in range(0, last, every) if last - i >= every)})
    ax.set_xticks(at[named], [f"{lams[i]:g}" for i in named])
    ax.set_xlabel(r"$\lambda$")
    ax.margins(x=0.06)
    ax.grid(visible=False, axis="x")


def plain_log(ax: Axes) -> None:
    """Make the vertical axis logarithmic, with 1, 2 and 5 of every decade as plain numbers."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def end_names(ax: Axes, lams: NDArray[np.floating]) -> None:
    """Write what λ = 0 and λ = 1 mean below their ticks, at the ends of the axis."""
    below = -4.5 - 1.7 * small()
    for lam, text, side in ((0.0, "independent", "left"), (1.0, "end to end", "right")):
        if lam in lams and len(lams) > 1:
            ax.annotate(
                text,
                (0.0 if side == "left" else 1.0, 0),
                xycoords="axes fraction",
                xytext=(0, below),
                textcoords="offset points",
                ha=side,
                va="top",
                fontsize=small(),
                style="italic",
            )
