"""Norms of all first-layer filters: rows are filters, columns members, one panel for each λ.

In each column a member's filters are sorted, the strongest above. The darker, the stronger, on one
scale for all panels. A white column is a member whose first layer has learned little. At the epoch
that validation chose, first trial. Compare Webb et al. 2020, Fig. 5.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, panels

NEEDS = "filters"
USES = ("filter_norm",)


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the filters probe.

    Raises:
        ProbeError: if the run has kept no checkpoint.
    """
    one = result[["filter_norm"]].isel({names.TRIAL: trial})
    if one["filter_norm"].size == 0:
        raise ProbeError(available.NO_CHECKPOINTS)
    norm = available.lams(one, "filter_norm", available.NO_CHECKPOINTS)["filter_norm"]
    lams = norm[names.LAM].values
    figure, axes = panels.by_lam(lams, 1.6)
    for panel, lam in zip(axes, lams, strict=True):
        image = draw_on(norm.sel({names.LAM: lam}), float(norm.max()), panel)
    for panel in panels.at_the_left(axes):
        panel.set_ylabel("Filter")
    for panel in panels.at_the_bottom(axes):
        panel.set_xlabel("Member")
    figure.colorbar(image, ax=axes, label="Norm", aspect=30)
    return figure


def draw_on(norm: xr.DataArray, limit: float, ax: Axes) -> AxesImage:
    """Draw one lane's norms (member, filter) on the given axes, and return the image."""
    values = norm.transpose(names.MEMBER, "filter").values
    by_strength = -np.sort(-values, axis=1).T
    drawn = ax.imshow(
        by_strength, cmap="Greys", vmin=0, vmax=limit, aspect="auto", interpolation="nearest"
    )
    ax.grid(visible=False)
    ax.locator_params(integer=True)
    return drawn
