"""Validation error of the candidates of advice against the number of members."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import error_bars, style
from jtdiag.figures.contract import FigureKind, Results

SPREAD = 0.7
"""Width over which the candidates of one number of members are spread; 1 to the next number."""
HIGHEST = 2.0
"""Largest error that is drawn, as a multiple of the largest of candidates with complete trials."""


def draw(results: Results) -> Figure:
    """Draw the candidates of one advice.

    Args:
        results: A name, and candidates as `jtdiag.advising.standing.to_dataset` returns them.

    Raises:
        ProbeError: if no candidate has a complete trial.
    """
    [(name, result)] = results
    if not np.isfinite(result["error"]).any():
        raise ProbeError(f"{name}: no candidate has a complete trial; search for longer.")
    figure = style.figure(3.0)
    draw_on(result, figure.add_subplot())
    style.legend(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw every candidate: its mean error with an interval, or a cross if it was dropped."""
    counts = np.unique(result["members"].values)
    groups = _groups(result)
    for i, (label, line, chosen) in enumerate(groups):
        of_group = result.isel(candidate=chosen)
        offset = SPREAD * ((i + 0.5) / len(groups) - 0.5)
        single = of_group["members"].values == 1
        x = np.searchsorted(counts, of_group["members"].values) + np.where(single, 0, offset)
        _draw_group(of_group, x, ax, **line, label=label)
    complete = 100 * result["error"].mean("trial").values
    ax.set_ylim(0, HIGHEST * np.nanmax(complete))
    ax.set_xticks(np.arange(len(counts)), [f"{count:g}" for count in counts])
    ax.set_xlim(-0.5, len(counts) - 0.5)
    ax.set(xlabel="Number of members", ylabel="Validation error (%)")
    ax.grid(visible=False, axis="x")


def _groups(result: xr.Dataset) -> list[tuple[str, dict[str, Any], np.ndarray]]:
    """Return label, look and positions of the single networks, bagging, and each λ."""
    scheme, lam = result["scheme"].values, result["lam"].values
    joint = (scheme != "single") & (scheme != "bagging")
    looks: list[tuple[str, dict[str, Any], np.ndarray]] = [
        ("single network", {"color": style.ENSEMBLE, "marker": "*"}, scheme == "single"),
        ("bagging", {"color": style.LEADER, "marker": "P"}, scheme == "bagging"),
        *(
            (style.lam_text(value), dict(style.lam_marker(value)), joint & (lam == value))
            for value in np.unique(lam[joint])
        ),
    ]
    return [(label, line, np.flatnonzero(chosen)) for label, line, chosen in looks if chosen.any()]


def _draw_group(of_group: xr.Dataset, x: np.ndarray, ax: Axes, **line: Any) -> None:
    state, look = of_group["state"].values, {**line, "linestyle": "", "markersize": 5}
    means = error_bars.in_percent(of_group["error"].rename(trial=names.TRIAL))
    error_bars.draw(ax, x, means, **look)
    for wanted, size in (("recommended", 13), ("undecided", 9)):
        ring = np.flatnonzero(state == wanted)
        ax.plot(x[ring], means[0][ring], "o", color=style.ENSEMBLE, mfc="none", markersize=size)
    dropped = np.flatnonzero(state == "dropped")
    partial = 100 * of_group["partial_error"].values[dropped]
    ax.plot(x[dropped], partial, "x", color=line["color"], markersize=3.5, alpha=0.45)


FIGURE = FigureKind(
    name="candidates",
    needs="",
    uses=("error", "partial_error", "members", "lam", "scheme", "state"),
    caption=(
        "Validation error against the number of members, for a fixed number of parameters. "
        "One mark for each candidate with complete trials; means over its trials, bars show 95 % "
        "intervals. The large circle marks the recommended candidate, smaller ones those that are "
        "not significantly worse. Small crosses: the error of candidates that were dropped within "
        "their first trial, after fewer epochs; errors above the axis are not drawn. Candidates of "
        "one number of members are spread."
    ),
    draw=draw,
)
"""It is drawn from the candidates of advice, not from the result of a probe, and so is not among
`jtdiag.figures.FIGURES`."""
