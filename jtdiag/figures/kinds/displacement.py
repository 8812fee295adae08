"""Distance of each member from its initialization."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the dominance probe of one run.

    Raises:
        ProbeError: if the run does not store checkpoints of epoch 0 and of a later epoch.
    """
    [(_, result)] = results
    figure = style.figure(2.8)
    lanes = result["displacement"].isel({names.TRIAL: trial}).sortby(names.LAM)
    lanes = lanes.where(lanes[names.EPOCH] > 0, drop=True)
    ax = figure.add_subplot()
    draw_on(lanes, ax)
    if not ax.lines:
        raise ProbeError(
            "The run does not store checkpoints of epoch 0 and a later one, which are needed to "
            'measure distances from initialization. Train with keep.checkpoints = "all", or with '
            "a list of epochs that includes 0."
        )
    style.legend(figure)
    return figure


def draw_on(lanes: xr.DataArray, ax: Axes) -> None:
    """Draw distances (lam, epoch, member), for each λ at its last epoch with a value."""
    for lam in lanes[names.LAM].values:
        measured = lanes.sel({names.LAM: lam}).dropna(names.EPOCH)
        if measured.sizes[names.EPOCH] == 0:
            continue
        last = measured.isel({names.EPOCH: -1})
        distance = np.sort(last.values)
        ax.plot(
            np.arange(1, len(distance) + 1),
            distance,
            **style.lam_line(float(lam)),
            linewidth=0.8,
            markevery=max(1, len(distance) // 16),
            label=f"{style.lam_text(float(lam))}, epoch {int(last[names.EPOCH])}",
        )
    ax.set(
        xlabel="Members, sorted by distance",
        ylabel="Distance from initialization\n" r"$\|\theta_j(T) - \theta_j(0)\|$",
    )
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


FIGURE = FigureKind(
    name="displacement",
    needs="dominance",
    uses=("displacement",),
    caption=(
        "Distance of each member's parameters from their initialization, for each λ. "
        "Measured at the last epoch with a checkpoint, in the first trial. Members are sorted by "
        "distance. Distances far below the others indicate stagnation, a single distance far above "
        "the others dominance."
    ),
    draw=draw,
)
