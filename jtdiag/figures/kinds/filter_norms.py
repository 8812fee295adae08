"""Norms of all filters in the first layer of every member."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, panels
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the filters probe of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    norms = result[["filter_norm"]].isel({names.TRIAL: trial})
    if norms["filter_norm"].size == 0:
        raise ProbeError(available.NO_CHECKPOINTS)
    norm = available.lams(norms, "filter_norm", available.NO_CHECKPOINTS)["filter_norm"]
    lams = norm[names.LAM].values
    figure, axes = panels.by_lam(lams, 1.6)
    for panel, lam in zip(axes, lams, strict=True):
        image = draw_on(norm.sel({names.LAM: lam}), float(norm.max()), panel)
    for panel in panels.leftmost(axes):
        panel.set_ylabel("Filter")
    for panel in panels.bottommost(axes):
        panel.set_xlabel("Member")
    figure.colorbar(image, ax=axes, label="Filter norm", aspect=30)
    return figure


def draw_on(norm: xr.DataArray, limit: float, ax: Axes) -> AxesImage:
    """Draw the norms (member, filter) at one λ, and return the image."""
    values = norm.transpose(names.MEMBER, "filter").values
    sorted_norms = -np.sort(-values, axis=1).T
    image = ax.imshow(
        sorted_norms, cmap="Greys", vmin=0, vmax=limit, aspect="auto", interpolation="nearest"
    )
    ax.grid(visible=False)
    ax.locator_params(integer=True)
    return image


FIGURE = FigureKind(
    name="filter-norms",
    needs="filters",
    uses=("filter_norm",),
    caption=(
        "Norms of all first-layer filters of every member, one panel per λ. "
        "Each column is a member, with its filters sorted by norm, largest first. All panels share "
        "one gray scale; a white column is a member whose first layer has learned little. Epoch "
        "chosen on the validation split, first trial. Compare Webb et al. (2020), Fig. 5."
    ),
    draw=draw,
)
