"""Test error of the schemes of a study."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import error_bars, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.names import lam_text

LETTER = 0.5
"""Width of a letter of a label, in font sizes."""
ROW = 0.2
"""Height of a horizontal bar in inches, for LNCS."""
JOINT = "#44688C"
"""Bars of members trained jointly: a darker `style.MEMBER`."""


def draw(results: Results) -> Figure:
    """Draw the schemes of one study, in the order of its table.

    Args:
        results: The name of the study, and its schemes as `jtdiag.tables.schemes.to_dataset`
            returns them.
    """
    [(_, result)] = results
    if crowded([str(label) for label in result["bar"].values]):
        figure = style.figure(0.6 + ROW * result.sizes["bar"], rows=True)
        draw_rows_on(result, figure.add_subplot())
    else:
        figure = style.figure(2.8)
        draw_on(result, figure.add_subplot())
    return figure


def crowded(bars: Sequence[str]) -> bool:
    """Return whether the labels of bars do not fit beside each other."""
    longest = max(len(line) for label in bars for line in label.split(" ("))
    return len(bars) * longest * LETTER * style.small() > 72 * style.width()


def draw_rows_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw a horizontal bar for each scheme, with its label to the left, in the order of bars."""
    joint = ((result["scheme"] == "joint") & (result["lam"] > 0)).values
    mean, low, high = error_bars.in_percent(result["error"])
    y = np.arange(len(mean))
    ax.barh(y, mean, height=0.62, color=[JOINT if together else style.MEMBER for together in joint])
    reach = [np.where(np.isfinite(end), end, 0) for end in (mean - low, high - mean)]
    ax.errorbar(mean, y, xerr=reach, fmt="none", ecolor=style.ENSEMBLE, elinewidth=1, capsize=2)
    for trial in (100 * result["error"]).transpose(names.TRIAL, "bar").values:
        ax.plot(trial, y + 0.2, ".", color=style.LEADER, markersize=2.5)
    for i, (length, together) in enumerate(zip(mean, joint, strict=True)):
        color = "white" if together else style.ENSEMBLE
        ax.annotate(
            f"{length:.1f}",
            (0, i),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.small(),
            color=color,
        )
    labels = zip(result["bar"].values, result["lam"].values, strict=True)
    ax.set_yticks(y, [_tick_label(str(name), float(lam), "") for name, lam in labels])
    ax.set_ylim(len(y) - 0.4, -0.6)
    ax.set_xlabel("Ensemble test error (%)")
    ax.grid(visible=False, axis="y")


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw a bar for each ensemble, and a dashed line across for each single network."""
    is_single = (result["scheme"] == "single").values
    ensembles, singles = result.isel(bar=~is_single), result.isel(bar=is_single)
    joint = ((ensembles["scheme"] == "joint") & (ensembles["lam"] > 0)).values
    means = error_bars.in_percent(ensembles["error"])
    mean = means[0]
    x = np.arange(len(mean))
    ax.bar(x, mean, width=0.62, color=[JOINT if together else style.MEMBER for together in joint])
    error_bars.draw(ax, x, means, fmt="none", ecolor=style.ENSEMBLE, elinewidth=1, capsize=2.5)
    for trial in (100 * ensembles["error"]).transpose(names.TRIAL, "bar").values:
        ax.plot(x + 0.2, trial, ".", color=style.LEADER, markersize=3.5)
    for i, (height, together) in enumerate(zip(mean, joint, strict=True)):
        _write_in_bar(f"{height:.1f}", i, "white" if together else style.ENSEMBLE, ax)
    mean, *_ = error_bars.in_percent(singles["error"])
    for label, height in zip(singles["bar"].values, mean, strict=True):
        ax.axhline(height, color=style.ENSEMBLE, linestyle="--", linewidth=1, zorder=3)
        _label_line(str(label), float(height), ax)
    ticks = zip(ensembles["bar"].values, ensembles["lam"].values, strict=True)
    ax.set_xticks(x, [_tick_label(str(label), float(lam)) for label, lam in ticks])
    ax.set(ylabel="Ensemble test error (%)")
    ax.margins(x=0.04, y=0.14)
    ax.grid(visible=False, axis="x")


def _write_in_bar(text: str, x: float, color: str, ax: Axes) -> None:
    """Write a number at the foot of a bar, where no line crosses it."""
    ax.annotate(
        text,
        (x, 0),
        (0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=style.small(),
        color=color,
    )


def _label_line(label: str, height: float, ax: Axes) -> None:
    """Label a horizontal line at its right end, outside of the axes."""
    ax.annotate(
        f"{label.replace(' ', chr(10), 1)}\n{height:.1f}",
        (1, height),
        (4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=style.small(),
        annotation_clip=False,
    )


def _tick_label(label: str, lam: float, line: str = "\n") -> str:
    """Return a label with λ in math mode, and parentheses on a line of their own."""
    text = label.replace(f"λ = {lam_text(lam)}", style.lam_text(lam))
    return text.replace(" (", f"{line}(") if line else text


FIGURE = FigureKind(
    name="schemes",
    needs="",
    uses=("error", "lam"),
    caption=(
        "Test error of the ensembles of a study, compared with a single network (dashed line). "
        "Of many schemes all are bars, from the left. "
        "Bars are means over trials at the epoch chosen on the validation split; lines on the bars "
        "show 95 % intervals, none for a single trial, dots the individual trials. Light bars: "
        "members trained independently; dark bars: members trained jointly. Compare Webb et al. "
        "(2020), Fig. 2."
    ),
    draw=draw,
)
"""It is drawn from the table of a study, not from the result of a probe, and so is not among
`jtdiag.figures.FIGURES`."""
