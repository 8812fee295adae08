"""Test error of every scheme of a study, against one large network (dashed).

Bars are means over trials at the epoch that validation chose, lines on them standard errors over
trials (absent for a single trial), small dots the trials. Light bars: members trained each by
itself; dark bars: members trained together. Compare Webb et al. 2020, Fig. 2.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.tables.schemes import Bar

TOGETHER = "#44688C"
"""Of bars, where members were trained together: a darker `style.MEMBER`."""


def draw(bars: Sequence[Bar]) -> Figure:
    """Return the figure of a study's schemes, in the order in which they are given."""
    figure = style.figure(2.8)
    draw_on(bars, figure.add_subplot())
    return figure


def draw_on(bars: Sequence[Bar], ax: Axes) -> None:
    """Draw bars on the axes that the caller gives, single networks as dashed lines across."""
    upright = [bar for bar in bars if bar.scheme != "single"]
    for at, bar in enumerate(upright):
        ax.bar(at, bar.mean, width=0.62, color=TOGETHER if bar.together else style.MEMBER)
        se = bar.se if np.isfinite(bar.se) else 0.0
        ax.errorbar(at, bar.mean, yerr=se, color=style.ENSEMBLE, capsize=2.5, linewidth=1)
        percents = [100 * error for error in bar.errors]
        ax.plot([at + 0.2] * len(percents), percents, ".", color=style.LEADER, markersize=3.5)
        _write_in(bar, at, ax)
    for bar in (bar for bar in bars if bar.scheme == "single"):
        ax.axhline(bar.mean, color=style.ENSEMBLE, linestyle="--", linewidth=1, zorder=3)
        _name_the_line(bar, ax)
    ax.set_xticks(range(len(upright)), [_on_axis(bar) for bar in upright])
    ax.set(ylabel="Test error of the ensemble (%)")
    ax.margins(x=0.04, y=0.14)
    ax.grid(visible=False, axis="x")


def _write_in(bar: Bar, at: int, ax: Axes) -> None:
    """Write the number at the foot of its bar, where no line can cross it."""
    ax.annotate(
        f"{bar.mean:.1f}",
        (at, 0),
        (0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=style.small(),
        color="white" if bar.together else style.ENSEMBLE,
    )


def _name_the_line(bar: Bar, ax: Axes) -> None:
    """Write what the dashed line is at its right end, outside of the bars."""
    ax.annotate(
        f"{bar.label.replace(' ', chr(10), 1)}\n{bar.mean:.1f}",
        (1, bar.mean),
        (4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=style.small(),
        annotation_clip=False,
    )


def _on_axis(bar: Bar) -> str:
    """Return a label of which λ is mathematics and each part a line."""
    return bar.label.replace(f"λ = {bar.lam:g}", style.lam_text(bar.lam)).replace(" (", "\n(")


def numbers(bars: Sequence[Bar]) -> xr.Dataset:
    """Return what is drawn: λ, members, learning rate (bar) and errors (bar, trial), by label."""
    trials = max(len(bar.errors) for bar in bars)
    errors = [(*bar.errors, *[np.nan] * (trials - len(bar.errors))) for bar in bars]
    error = xr.DataArray(np.array(errors), dims=("bar", "trial"), attrs={"unit": "fraction"})
    each = {"lam": "lam", "members": "members", "learning_rate": "lr"}
    found = {name: ("bar", [getattr(bar, field) for bar in bars]) for name, field in each.items()}
    labels = {"bar": [bar.label for bar in bars], "trial": np.arange(trials)}
    return xr.Dataset({**found, "error": error}, coords=labels)
