"""How far the gradients that modules are given agree with those of backpropagation, by epoch."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results) -> Figure:
    """Draw the result of the probe `credit` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    by_lam = available.lams(result, "cosine", available.NO_CHECKPOINTS)
    cosine = by_lam["cosine"].mean(names.MEMBER)
    lams = by_lam[names.LAM].values
    figure, axes = panels.by_lam(lams, 2.2)
    for ax, lam in zip(axes, lams, strict=True):
        draw_on(cosine.sel({names.LAM: lam}), ax)
    lowest = min(0.0, *(ax.dataLim.y0 for ax in axes))
    last = max(1, int(cosine[names.EPOCH].values[-1]))
    for ax in axes:
        ax.axhline(0, color=style.QUIET, linewidth=0.8, zorder=0)
        ax.set(ylim=(lowest - 0.05, 1.05), xlim=(-0.03 * last, 1.03 * last))
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for ax in panels.leftmost(axes):
        ax.set_ylabel("Gradient cosine")
    for ax in panels.bottommost(axes):
        ax.set_xlabel("Epoch")
    style.legend(figure)
    return figure


def draw_on(cosine: xr.DataArray, ax: Axes) -> None:
    """Draw cosines (trial, epoch, module) at one λ: a line for each module that is given any."""
    modules = [str(name) for name in cosine[names.MODULE].values]
    for i, name in enumerate(modules):
        own = cosine.sel({names.MODULE: name}).dropna(names.EPOCH, how="all")
        if own.sizes[names.EPOCH] == 0:
            continue
        mean, low, high = error_bars.over_trials(own.transpose(names.EPOCH, names.TRIAL))
        within = (mean, np.maximum(low, -1), np.minimum(high, 1))
        line = style.run_line(i, len(modules))
        error_bars.draw(ax, own[names.EPOCH].values, within, **line, label=name)


FIGURE = FigureKind(
    name="credit",
    needs="credit",
    uses=("cosine",),
    caption=(
        "Agreement of the gradients of modules with backpropagation, by epoch, for each λ. Cosine "
        "between the gradient of a module's parameters that the credit gives and the end-to-end "
        "gradient of the loss at the same weights, on training examples: 1 where both point the "
        "same way, 0 where they have nothing in common, below 0 where the former increases the "
        "loss. Means over members and trials at epochs with checkpoints; bars show 95 % intervals "
        "over trials, none for a single trial. Modules that are given no gradient have no line."
    ),
    draw=draw,
)
