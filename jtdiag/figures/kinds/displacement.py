"""How far each member moved from its initial parameters, at the last epoch with checkpoints.

Members are sorted by their displacement, one line of dots for each λ. Dots far below the others are
members that stood still; one far above, a member that learnt what the others left to it. The first
trial is drawn.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import style

NEEDS = "dominance"
USES = ("displacement",)


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the dominance probe.

    Raises:
        ProbeError: if no checkpoint of epoch 0 and a later one is kept.
    """
    figure = style.figure(2.8)
    one = result["displacement"].isel({names.TRIAL: trial}).sortby(names.LAM)
    one = one.where(one[names.EPOCH] > 0, drop=True)
    ax = figure.add_subplot()
    draw_on(one, ax)
    if not ax.lines:
        raise ProbeError(
            "The run has kept no checkpoints of epoch 0 and a later one, between which members "
            'could have moved. Train with keep.checkpoints = "all", or with epochs that begin at 0.'
        )
    style.legend_of(figure)
    return figure


def draw_on(lanes: xr.DataArray, ax: Axes) -> None:
    """Draw displacements (lam, epoch, member) at each λ's last known epoch."""
    for lam in lanes[names.LAM].values:
        known = lanes.sel({names.LAM: lam}).dropna(names.EPOCH)
        if known.sizes[names.EPOCH] == 0:
            continue
        last = known.isel({names.EPOCH: -1})
        distance = np.sort(last.values)
        ax.plot(
            np.arange(1, len(distance) + 1),
            distance,
            **style.lam_line(float(lam)),
            linewidth=0.8,
            markevery=max(1, len(distance) // 16),
            label=f"{style.lam_text(float(lam))}, epoch {int(last[names.EPOCH])}",
        )
    ax.set(xlabel="Members, sorted", ylabel=r"Displacement $\|\theta_j(T) - \theta_j(0)\|$")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
