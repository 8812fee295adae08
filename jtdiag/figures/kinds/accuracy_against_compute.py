"""Test accuracy against the number of members that are asked, for each λ.

Solid: members are asked in the most useful order that validation tells (greedy search; where its
outputs are not kept, the best alone first). Dashed: in random order. Above, the multiply-adds for
one example, or, where the members could not be rebuilt, nothing. Means over trials, with one
standard error to either side.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from jtdiag import names
from jtdiag.figures import available, style
from jtdiag.figures.kinds.accuracy_against_dropped import from_a_round_number, spaced, with_band

NEEDS = "robustness"
USES = ("partial_accuracy_mean", "partial_accuracy_se", "multiply_adds_per_member")


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the robustness probe.

    Raises:
        ProbeError: if nothing was measured.
    """
    figure = style.figure(3.2)
    drawn = available.lams(result, "partial_accuracy_mean", available.NO_OUTPUTS)
    draw_on(drawn, figure.add_subplot())
    style.legend_of(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw two lines for each λ on the axes that the caller gives."""
    kept = result[names.KEPT].values
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        look = style.lam_mark(lam)
        order = best_order(at)
        mean = 100 * at["partial_accuracy_mean"].sel(evaluation=order).values
        error = 100 * at["partial_accuracy_se"].sel(evaluation=order).values
        random = 100 * at["partial_accuracy_mean"].sel(evaluation="random").values
        ax.plot(kept, mean, **look, markevery=spaced(kept), label=style.lam_text(lam))
        with_band(ax, kept, mean, error, look["color"])
        ax.plot(kept, random, "--", color=look["color"], linewidth=0.8)
    ax.plot([], [], "--", color=style.QUIET, linewidth=0.8, label="random order")
    ax.set(xscale="log", xlabel="Members asked", ylabel="Test accuracy (%)")
    ax.set_xlim(1, max(2, kept[-1]))
    from_a_round_number(ax)
    counts = 2 ** np.arange(int(np.log2(max(2, kept[-1]))) + 1)
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.minorticks_off()
    _compute_above(ax, float(result["multiply_adds_per_member"]), counts)


def best_order(at: xr.Dataset) -> str:
    """Return the most useful order that is known at a λ."""
    greedy = at["partial_accuracy_mean"].sel(evaluation="greedy")
    return "greedy" if bool(greedy.notnull().any()) else "best-alone-first"


def _compute_above(ax: Axes, cost: float, counts: np.ndarray) -> None:
    """Write multiply-adds for an example along the upper edge, at every second number of members.

    Args:
        ax: Where members are along the lower edge.
        cost: Multiply-adds of one member; nothing is written where they are not known.
        counts: Numbers of members that have a tick below.
    """
    if not cost > 0:
        return

    def of_members(count: Any) -> Any:
        return np.asarray(count) * cost

    def of_cost(products: Any) -> Any:
        return np.asarray(products) / cost

    above = ax.secondary_xaxis("top", functions=(of_members, of_cost))
    above.set_xlabel("Multiply-adds for an example")
    text = EngFormatter(places=0, sep="\N{THIN SPACE}")
    above.set_xticks(cost * counts[::2], [text(cost * count) for count in counts[::2]])
    above.minorticks_off()
