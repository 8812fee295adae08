"""First-layer filters as images, at the smallest and the largest λ, on one scale of grey.

Columns are members, with their numbers: all of them, or 16 from the weakest to the strongest. Rows
are the 8 strongest filters of each. Middle grey is 0, and the scale is common to all filters of the
figure, so that a member which has learned little looks flat; it ends where 0.2 % of the weights are
left. Means over input channels, at the epoch that validation chose, first trial. Compare Webb et
al. 2020, Fig. 5.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, style

NEEDS = "filters"
USES = ("image", "shown_member")
ROWS = 8
SATURATED = 0.998
"""Share of the weights that the scale of grey spans; the others are black or white."""


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the filters probe.

    Raises:
        ProbeError: if the run has kept no checkpoint.
    """
    one = result.isel({names.TRIAL: trial, "place": slice(0, ROWS)}).sortby(names.LAM)
    drawn = available.lams(one, "shown_member", available.NO_CHECKPOINTS)
    if drawn["image"].size == 0:
        raise ProbeError(available.NO_CHECKPOINTS)
    ends = [0, -1] if drawn.sizes[names.LAM] > 1 else [0]
    drawn = drawn.isel({names.LAM: ends})
    limit = float(abs(drawn["image"]).quantile(SATURATED)) or 1.0
    beside, height = _arrangement(drawn)
    figure = style.figure(height, rows=True)
    axes = list(figure.subplots(len(ends) // beside, beside, squeeze=False).flat)
    for panel, lam in zip(axes, drawn[names.LAM].values, strict=True):
        image = draw_on(drawn.sel({names.LAM: lam}), limit, panel)
        panel.set_title(style.lam_text(lam))
        panel.set_xlabel("Member")
        panel.set_ylabel("Filter, strongest first" if beside == 1 or panel is axes[0] else "")
    figure.colorbar(image, ax=axes, label="Weight", shrink=0.9, aspect=30)
    return figure


def _arrangement(drawn: xr.Dataset) -> tuple[int, float]:
    """Return how many panels stand beside each other, and the figure's height at LNCS in inches.

    Panels of few members stand beside each other, of many below; images are half an inch at most.
    """
    panels, members = drawn.sizes[names.LAM], drawn.sizes["column"]
    beside = panels if members * panels <= 2 * style.columns(least=3) else 1
    tile = min(0.5, (style.width() - 1.4) / (members * beside))
    tall = drawn.sizes["place"] * drawn.sizes["y"] / drawn.sizes["x"]
    return beside, (0.75 + tile * min(tall, 16)) * panels / beside + 0.2


def draw_on(lane: xr.Dataset, limit: float, ax: Axes) -> AxesImage:
    """Draw one lane's filters on the axes that the caller gives, and return the image.

    Args:
        lane: image (column, place, y, x) and shown_member (column).
        limit: Weight that is white; its negative is black.
        ax: Where to draw.
    """
    image = lane["image"].transpose("place", "y", "column", "x").values
    height, width = image.shape[1], image.shape[3]
    gap = max(1, width // 8)
    tiles = np.pad(image, ((0, 0), (0, gap), (0, 0), (0, gap)), constant_values=np.nan)
    mosaic = tiles.reshape(tiles.shape[0] * tiles.shape[1], -1)[:-gap, :-gap]
    drawn = ax.imshow(mosaic, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
    members = lane["shown_member"].values.astype(int)
    at = np.arange(len(members)) * (width + gap) + (width - 1) / 2
    many = len(members) > 10
    ax.set_xticks(at, [str(m) for m in members], rotation=90 if many else 0)
    ax.set_yticks(
        np.arange(image.shape[0]) * (height + gap) + (height - 1) / 2,
        [str(i + 1) for i in range(image.shape[0])],
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    return drawn
