"""Test accuracy against the number of members evaluated."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from jtdiag import names
from jtdiag.figures import available, error_bars, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.figures.kinds.accuracy_against_dropped import (
    limit_accuracy_axis,
    marker_spacing,
)


def draw(results: Results) -> Figure:
    """Draw the result of the robustness probe of one run.

    Raises:
        ProbeError: if the run stores no outputs on test.
    """
    [(_, result)] = results
    figure = style.figure(3.2)
    measured = available.lams(result, "partial_accuracy_mean", available.NO_OUTPUTS)
    draw_on(measured, figure.add_subplot())
    style.legend(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw two lines for each λ: the best known order of the members, and random order."""
    members = result[names.KEPT].values
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam})
        line = style.lam_marker(lam)
        order = best_order(at_lam)
        means = error_bars.of_result(at_lam.sel(evaluation=order), "partial_accuracy")
        random = 100 * at_lam["partial_accuracy_mean"].sel(evaluation="random").values
        spacing = marker_spacing(members)
        ax.plot(members, means[0], **line, markevery=spacing, label=style.lam_text(lam))
        error_bars.fill(ax, members, means, line["color"])
        ax.plot(members, random, "--", color=line["color"], linewidth=0.8)
    ax.plot([], [], "--", color=style.QUIET, linewidth=0.8, label="random order")
    ax.set(xscale="log", xlabel="Members evaluated", ylabel="Test accuracy (%)")
    ax.set_xlim(1, max(2, members[-1]))
    limit_accuracy_axis(ax)
    counts = 2 ** np.arange(int(np.log2(max(2, members[-1]))) + 1)
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.minorticks_off()
    _add_compute_axis(ax, float(result["multiply_adds_per_member"]), counts)


def best_order(at_lam: xr.Dataset) -> str:
    """Return the best order of the members that was measured at a λ."""
    greedy = at_lam["partial_accuracy_mean"].sel(evaluation="greedy")
    return "greedy" if bool(greedy.notnull().any()) else "best-alone-first"


def _add_compute_axis(ax: Axes, cost: float, counts: np.ndarray) -> None:
    """Label the upper edge with multiply-adds per example, at every second number of members.

    Args:
        ax: Axes with the number of members along the lower edge.
        cost: Multiply-adds of one member; no axis is added if it is NaN.
        counts: Numbers of members with a tick at the lower edge.
    """
    if not cost > 0:
        return

    def from_members(count: Any) -> Any:
        return np.asarray(count) * cost

    def to_members(multiply_adds: Any) -> Any:
        return np.asarray(multiply_adds) / cost

    upper = ax.secondary_xaxis("top", functions=(from_members, to_members))
    upper.set_xlabel("Multiply-adds per example")
    text = EngFormatter(places=0, sep="\N{THIN SPACE}")
    upper.set_xticks(cost * counts[::2], [text(cost * count) for count in counts[::2]])
    upper.minorticks_off()


FIGURE = FigureKind(
    name="accuracy-against-compute",
    needs="robustness",
    uses=("partial_accuracy", "partial_accuracy_mean", "multiply_adds_per_member"),
    optional=("partial_accuracy_low", "partial_accuracy_high"),
    caption=(
        "Test accuracy against the number of members evaluated, for each λ. "
        "Solid lines: members are added in the order of a greedy search on the validation split, "
        "or best member first if the run stores no validation outputs. Dashed lines: members are "
        "added in random order. The upper axis shows multiply-adds per example, where the cost of "
        "a member could be measured. Means over trials; bands show 95 % intervals, none for a "
        "single trial."
    ),
    draw=draw,
)
