"""Test accuracy of the ensemble against the number of missing members."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results) -> Figure:
    """Draw the results of the robustness probe, one panel per run.

    Raises:
        ProbeError: if one of the runs stores no outputs on test.
    """
    measured = [
        (name, available.lams(result, "accuracy_mean", available.NO_OUTPUTS))
        for name, result in results
    ]
    if len(measured) == 1:
        figure = style.figure(3.0)
        axes = [figure.add_subplot()]
    else:
        figure, axes = panels.in_rows(len(measured), 2.2, share=False, min_width=style.OWN_AXES)
    for (name, result), ax in zip(measured, axes, strict=True):
        draw_on(result, ax)
        ax.set_title(name if len(measured) > 1 else "")
    lowest = min(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(lowest, 100)
    style.legend(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw two lines for each λ: random subsets, and the worst subset."""
    dropped = result[names.DROPPED].values
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam})
        means = error_bars.of_result(at_lam.sel(subsets="shared"), "accuracy")
        line = style.lam_marker(lam)
        ax.plot(
            dropped, means[0], **line, markevery=marker_spacing(dropped), label=style.lam_text(lam)
        )
        error_bars.fill(ax, dropped, means, line["color"])
        worst = 100 * at_lam["accuracy_worst_mean"].values
        ax.plot(dropped, worst, ":", color=line["color"], linewidth=0.9)
    ax.plot([], [], ":", color=style.QUIET, linewidth=0.9, label="worst subset")
    ax.set(xlabel="Members dropped", ylabel="Test accuracy (%)")
    ax.set_xlim(0, max(1, dropped[-1]))
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    limit_accuracy_axis(ax)


def limit_accuracy_axis(ax: Axes) -> None:
    """Start an axis in percent at the multiple of ten below the data, and end it at 100."""
    lowest = ax.dataLim.y0 if np.isfinite(ax.dataLim.y0) else 0.0
    ax.set_ylim(max(0.0, 10 * np.floor(lowest / 10)), 100)


def marker_spacing(x: np.ndarray) -> int:
    """Return how many points apart markers are drawn, so that a line has about eight."""
    return max(1, len(x) // 8)


FIGURE = FigureKind(
    name="accuracy-against-dropped",
    needs="robustness",
    uses=("accuracy", "accuracy_mean", "accuracy_worst_mean"),
    optional=("accuracy_low", "accuracy_high"),
    compares=True,
    caption=(
        "Test accuracy of the ensemble against the number of missing members, for each λ. "
        "Solid lines: random subsets of the members are dropped; means over subsets and trials, "
        "bands show 95 % intervals over trials, none for a single trial. Dotted lines: lowest "
        "accuracy of all subsets (up to eight members) or of those that were evaluated, including "
        "a greedy search for the worst one. Several runs are shown in separate panels. Compare "
        "Webb et al. (2020), Figs. 7 and 8."
    ),
    draw=draw,
)
