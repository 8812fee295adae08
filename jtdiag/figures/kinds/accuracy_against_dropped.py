"""Test accuracy of the ensemble against the number of members dropped, for each λ.

Lines: random members are missing, mean over repeats and trials, with one standard error over
trials to either side. Dotted: the lowest accuracy of all subsets that were tried, a search for
the worst case. Of several runs each has a panel. Compare Webb et al. 2020, Figs. 7 and 8.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, panels, style

NEEDS = "robustness"
COMPARES = True
USES = ("accuracy_mean", "accuracy_se", "accuracy_worst_mean")


def draw(results: list[tuple[str, xr.Dataset]]) -> Figure:
    """Return the figure for results of the robustness probe, by run: a panel for each.

    Raises:
        ProbeError: if nothing was measured of one of them.
    """
    drawn = [
        (name, available.lams(result, "accuracy_mean", available.NO_OUTPUTS))
        for name, result in results
    ]
    if len(drawn) == 1:
        figure = style.figure(3.0)
        axes = [figure.add_subplot()]
    else:
        figure, axes = panels.in_rows(len(drawn), 2.2, share=False, least=style.APART)
    for (name, result), ax in zip(drawn, axes, strict=True):
        draw_on(result, ax)
        ax.set_title(name if len(drawn) > 1 else "")
    lowest = min(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(lowest, 100)
    style.legend_of(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw a line for each λ on the axes that the caller gives."""
    dropped = result[names.DROPPED].values
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        mean = 100 * at["accuracy_mean"].sel(subsets="shared").values
        error = 100 * at["accuracy_se"].sel(subsets="shared").values
        look = style.lam_mark(lam)
        ax.plot(dropped, mean, **look, markevery=spaced(dropped), label=style.lam_text(lam))
        with_band(ax, dropped, mean, error, look["color"])
        worst = 100 * at["accuracy_worst_mean"].values
        ax.plot(dropped, worst, ":", color=look["color"], linewidth=0.9)
    ax.plot([], [], ":", color=style.QUIET, linewidth=0.9, label="worst found")
    ax.set(xlabel="Members dropped", ylabel="Test accuracy (%)")
    ax.set_xlim(0, max(1, dropped[-1]))
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    from_a_round_number(ax)


def with_band(ax: Axes, x: np.ndarray, mean: np.ndarray, error: np.ndarray, colour: str) -> None:
    """Shade one standard error to either side of a line; nothing for a single trial."""
    if np.isfinite(error).any():
        ax.fill_between(x, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)


def from_a_round_number(ax: Axes) -> None:
    """Let the axis of percent begin at the multiple of ten below all that is drawn."""
    lowest = ax.dataLim.y0 if np.isfinite(ax.dataLim.y0) else 0.0
    ax.set_ylim(max(0.0, 10 * np.floor(lowest / 10)), 100)


def spaced(x: np.ndarray) -> int:
    """Return every how many points a mark stands, so that some eight are seen."""
    return max(1, len(x) // 8)
