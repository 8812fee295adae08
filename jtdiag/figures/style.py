"""Figure style: sizes for print, embedded fonts, and colors for any color vision."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

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
from jtdiag.figures import given_axes, venues
from jtdiag.figures.styled_figure import StyledFigure
from jtdiag.figures.venues import Venue
from jtdiag.probing import credit_facts

_Entry = TypeVar("_Entry")
# From the palette of Okabe and Ito: distinct for any color vision, and by lightness in grayscale.
ENSEMBLE = "#000000"
LEADER = "#D55E00"
MEMBER = "#7A9FBF"
PAIR = "#009E73"
QUIET = "#888888"
"""Reference lines."""

MAX_ERROR = 150
"""Errors above this are cut off, in percent; a constant prediction has at most 100."""
MAX_HEIGHT = 8.5
"""Maximum height of a figure, in inches: a page with room for the caption."""
PANEL = 12
"""Minimum width of a panel with shared axes, in widths of the letter m."""
OWN_AXES = 16
"""Minimum width of a panel with separate axes, in widths of the letter m."""

LABELS = {names.TRAIN: "Training", names.VAL: "Validation", names.TEST: "Test"}
"""Names of the splits in figures."""
MARKERS = "osD^vP*X<"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))

_RC: dict[Any, Any] = {
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
    "pdf.fonttype": 42,  # embedded, searchable TrueType; publishers reject Type 3
    "ps.fonttype": 42,
    "svg.hashsalt": "jtdiag",  # reproducible identifiers
    "pgf.rcfonts": False,  # use the fonts of the document
}

_DEFAULT = venues.find(venues.DEFAULT)
_venue: ContextVar[Venue] = ContextVar("venue", default=_DEFAULT)
_lams: ContextVar[tuple[float, ...]] = ContextVar("lams", default=())


@contextmanager
def of(name: str = venues.DEFAULT, lams: Iterable[float] = ()) -> Iterator[Venue]:
    """Apply the style of a venue within a block, without changing global settings.

    Args:
        name: Name of the venue.
        lams: λs of the runs that are drawn, whose lines are to differ; by default they are few.

    Raises:
        ProbeError: if there is no such venue.
    """
    venue = venues.find(name)
    token, token_of_lams = _venue.set(venue), _lams.set(tuple(sorted(set(lams))))
    try:
        with mpl.rc_context({**_RC, **venue.rc}):
            yield venue
    finally:
        _venue.reset(token)
        _lams.reset(token_of_lams)


def width() -> float:
    """Return the width of figures for the current venue, in inches."""
    return _venue.get().width


def small() -> float:
    """Return the font size of small text for the current venue, in points."""
    return _venue.get().small


def columns(min_width: float = PANEL) -> int:
    """Return how many panels fit side by side.

    Args:
        min_width: Minimum width of a panel with its labels, in widths of the letter m.
    """
    return max(1, int(72 * width() / (min_width * _venue.get().size)))


def height(inches: float, *, rows: bool = False) -> float:
    """Scale the height of a figure from LNCS to the current venue.

    Args:
        inches: Height at LNCS, where text is 9 pt.
        rows: Whether the number of columns depends on the width. If so, the height is
            proportional to the font size; otherwise it also grows slowly with the width.
    """
    text = _venue.get().size / 9
    wider = 1.0 if rows else (width() / 4.8 / text) ** 0.3
    return min(MAX_HEIGHT, inches * text * wider)


def figure(inches: float, *, rows: bool = False) -> Figure:
    """Return an empty figure with the width of the venue, and a height scaled by `height`."""
    given = given_axes.current()
    if given is not None:  # stands for a figure: draws into the axes of a user
        return cast(Figure, given)
    return StyledFigure(figsize=(width(), height(inches, rows=rows)), layout="constrained")


def legend(figure: Figure, order: Sequence[str] = ()) -> None:
    """Put one legend above all panels, with every label once, in as many columns as fit.

    Args:
        figure: A figure with labeled lines.
        order: Labels that come first, in this order; the others follow as they were drawn.
    """
    handles = {
        label: handle
        for panel in figure.axes
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    labels = [
        *(label for label in order if label in handles),
        *(label for label in handles if label not in order),
    ]
    if given_axes.current() is not None:
        figure.axes[0].legend([handles[label] for label in labels], labels, fontsize=small())
        return
    for columns in range(len(labels), 0, -1):
        if _try_legend(figure, labels, handles, columns):
            return


def panel_legends(panels: Sequence[Axes]) -> None:
    """Put a legend above each panel, for panels whose lines mean different things."""
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        grid = panel.get_gridspec()
        for columns in range(len(labels), 0, -1):
            box = panel.legend(
                _rowwise(handles, columns),
                _rowwise(labels, columns),
                loc="lower center",
                bbox_to_anchor=(0.5, 1),
                ncols=columns,
                columnspacing=1.0,
                handletextpad=0.4,
            )
            cell = panel.figure.bbox.width / (grid.ncols if grid else 1)
            if box.get_window_extent().width < 0.8 * cell:  # the axes are narrower than their cell
                break  # else the next legend replaces it


def _try_legend(
    figure: Figure, labels: Sequence[str], handles: dict[str, Artist], columns: int
) -> bool:
    """Add a legend with a number of columns; remove it again if it is wider than the figure."""
    box = figure.legend(
        _rowwise([handles[label] for label in labels], columns),
        _rowwise(labels, columns),
        loc="outside upper center",
        ncols=columns,
        columnspacing=1.4,
        handletextpad=0.5,
    )
    for line in box.get_lines():  # the thin lines of many members would be hard to see
        line.set(alpha=1, linewidth=max(0.8, line.get_linewidth()))
    fits = columns == 1 or box.get_window_extent().width < figure.bbox.width
    if not fits:
        box.remove()
    return fits


def _rowwise(entries: Sequence[_Entry], columns: int) -> list[_Entry]:
    """Return the entries of a legend, which matplotlib fills by column, to be read by row."""
    return [entries[i] for first in range(columns) for i in range(first, len(entries), columns)]


def lam_text(lam: float) -> str:
    """Return "λ = 0.9" in math mode."""
    return rf"$\lambda = {_in_math_mode(lam)}$"


def lam_tick(lam: float) -> str:
    """Return "0.9" as the label of a tick; powers of ten are in math mode."""
    text = names.lam_text(lam)
    return f"${_in_math_mode(lam)}$" if "e" in text else text


def _in_math_mode(lam: float) -> str:
    factor, exponent, power = names.lam_text(lam).partition("e")
    if not exponent:
        return factor
    return ("" if factor == "1" else rf"{factor} \times ") + f"10^{{{int(power)}}}"


def error_label(result: xr.Dataset, name: str) -> str:
    """Return the axis label of an error in percent, with the error measure of the family."""
    measure = str(result.attrs.get("error_measure", "fraction wrong"))
    if measure == "fraction wrong":
        return f"{name} (%)"
    return f"{name}\n(% of {measure.removeprefix('fraction of ')})"


def limit_error_axis(ax: Axes) -> None:
    """Limit an axis of errors in percent if members that diverged would dominate its range."""
    if ax.get_ylim()[1] > MAX_ERROR:
        ax.set_ylim(0, MAX_ERROR)


def _color_position(lam: float) -> float:
    """Return the position of a λ on the color map, between 0 and 1.

    It is the mean of λ and log 1/(1−λ), scaled to [0, 1], because values near 1 matter most.
    """
    inside = min(max(lam, 0.0), 1.0)
    decades = -math.log10(1 - 0.999 * inside)  # 0 to 3
    return inside / 2 + decades / 6


def lam_colour(lam: float) -> str:
    """Return the color of a λ, the same in every figure: from dark violet (0) to yellow (1)."""
    return to_hex(mpl.colormaps["viridis"](0.89 * _color_position(lam)))


def lam_marker(lam: float) -> dict[str, Any]:
    """Return color and marker of a λ, the same in every figure."""
    marker = MARKERS[_step(lam) % len(MARKERS)]
    return {"color": lam_colour(lam), "marker": marker, "markersize": 3.5}


def lam_line(lam: float) -> dict[str, Any]:
    """Return color, marker and line style of a λ, the same in every figure."""
    return {**lam_marker(lam), "linestyle": DASHES[_step(lam) % len(DASHES)]}


def _step(lam: float) -> int:
    """Return the index of a marker; smaller λs of the figure with the same color come before."""
    own = round(16 * _color_position(lam))
    return own + sum(other < lam and lam_colour(other) == lam_colour(lam) for other in _lams.get())


def run_line(i: int, count: int) -> dict[str, Any]:
    """Return color, marker and line style of the i-th of several runs that share axes."""
    color = mpl.colormaps["plasma"](0.85 * i / max(1, count - 1))
    return {
        "color": to_hex(color),
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[i % len(DASHES)],
    }


def lam_axis(ax: Axes, lams: NDArray[np.floating]) -> None:
    """Label the horizontal axis with λs, in ascending order and evenly spaced.

    Labels that would overlap are left out, but never the first and the last.
    """
    grid = ax.get_gridspec()
    room = 72 * width() / (grid.ncols if grid else 1) - 5 * small()
    labels = [lam_tick(lam) for lam in lams]
    characters = max(4, *(len(names.lam_text(lam)) for lam in lams))
    letter = (2.7 if _venue.get().sans else 2.1) / 4 * small()
    every = math.ceil(len(lams) * characters * letter / room)
    last = len(lams) - 1
    labeled = sorted({0, last, *(i for i in range(0, last, every) if last - i >= every)})
    ax.set_xticks(labeled, [labels[i] for i in labeled])
    ax.set_xlabel(r"$\lambda$")
    ax.margins(x=0.06)
    ax.grid(visible=False, axis="x")


def plain_log(ax: Axes) -> None:
    """Make the vertical axis logarithmic, with ticks at 1, 2 and 5 times powers of ten."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def at_lam_1(*results: xr.Dataset) -> str:
    """Return what λ = 1 is called: "joint" if layers are not trained end to end as well."""
    local = any(credit_facts.not_end_to_end(result.attrs) for result in results)
    return "joint" if local else "end to end"


def end_labels(ax: Axes, lams: NDArray[np.floating], *results: xr.Dataset) -> None:
    """Write "independent" below λ = 0 and `at_lam_1` of the results below λ = 1."""
    below = -4.5 - 1.7 * small()
    for lam, text, side in ((0.0, "independent", "left"), (1.0, at_lam_1(*results), "right")):
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
