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
from jtdiag.figures import style

NEEDS = "dominance"


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the dominance probe.

    Where no checkpoint of epoch 0 and a later one is kept, nothing is known and the figure says so.
    """
    figure = Figure(figsize=(style.WIDTH, 2.8), layout="constrained")
    one = result["displacement"].isel({names.TRIAL: trial}).sortby(names.LAM)
    one = one.where(one[names.EPOCH] > 0, drop=True)
    ax = figure.add_subplot()
    draw_on(one, ax)
    if ax.lines:
        figure.legend(loc="outside right center")
    else:
        missing = "Nothing to draw: keep.checkpoints\nneeds epoch 0 and a later one."
        ax.text(0.5, 0.5, missing, transform=ax.transAxes, ha="center", va="center")
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
            ".-",
            color=style.lam_colour(float(lam)),
            linewidth=0.5,
            markersize=5 if len(distance) < 64 else 2.5,
            label=f"{style.lam_text(float(lam))}, epoch {int(last[names.EPOCH])}",
        )
    ax.set(xlabel="Members, sorted", ylabel=r"Displacement $\|\theta_j(T) - \theta_j(0)\|$")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
