"""First-layer filters of members as images."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, style
from jtdiag.figures.contract import FigureKind, Results

ROWS = 8
"""Maximum number of filters per member."""
SATURATED = 0.998
"""Fraction of the weights within the range of the gray scale; the others are black or white."""


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the filters probe of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    images = result.isel({names.TRIAL: trial, "place": slice(0, ROWS)}).sortby(names.LAM)
    images = available.lams(images, "shown_member", available.NO_CHECKPOINTS)
    if images["image"].size == 0:
        raise ProbeError(available.NO_CHECKPOINTS)
    ends = [0, -1] if images.sizes[names.LAM] > 1 else [0]
    images = images.isel({names.LAM: ends})
    limit = float(abs(images["image"]).quantile(SATURATED)) or 1.0
    columns, height = _layout(images)
    figure = style.figure(height, rows=True)
    axes = list(figure.subplots(len(ends) // columns, columns, squeeze=False).flat)
    for panel, lam in zip(axes, images[names.LAM].values, strict=True):
        image = draw_on(images.sel({names.LAM: lam}), limit, panel)
        panel.set_title(style.lam_text(lam))
        panel.set_xlabel("Member")
        panel.set_ylabel("Filter, by norm" if columns == 1 or panel is axes[0] else "")
    figure.colorbar(image, ax=axes, label="Weight", shrink=0.9, aspect=30)
    return figure


def _layout(images: xr.Dataset) -> tuple[int, float]:
    """Return the number of columns of panels, and the height of the figure at LNCS in inches.

    Panels are side by side if they have few members, otherwise stacked. Images are at most half
    an inch wide.
    """
    panels, members = images.sizes[names.LAM], images.sizes["column"]
    columns = panels if members * panels <= 2 * style.columns(min_width=3) else 1
    tile = min(0.5, (style.width() - 1.4) / (members * columns))
    aspect = images.sizes["place"] * images.sizes["y"] / images.sizes["x"]
    return columns, (0.75 + tile * min(aspect, 16)) * panels / columns + 0.2


def draw_on(lane: xr.Dataset, limit: float, ax: Axes) -> AxesImage:
    """Draw the filters at one λ, and return the image.

    Args:
        lane: image (column, place, y, x) and shown_member (column).
        limit: Weight that is drawn white; its negative is black.
        ax: Axes to draw on.
    """
    image = lane["image"].transpose("place", "y", "column", "x").values
    height, width = image.shape[1], image.shape[3]
    gap = max(1, width // 8)
    tiles = np.pad(image, ((0, 0), (0, gap), (0, 0), (0, gap)), constant_values=np.nan)
    mosaic = tiles.reshape(tiles.shape[0] * tiles.shape[1], -1)[:-gap, :-gap]
    mosaic_image = ax.imshow(mosaic, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
    members = lane["shown_member"].values.astype(int)
    many = len(members) > 10
    ax.set_xticks(
        np.arange(len(members)) * (width + gap) + (width - 1) / 2,
        [str(member) for member in members],
        rotation=90 if many else 0,
    )
    ax.set_yticks(
        np.arange(image.shape[0]) * (height + gap) + (height - 1) / 2,
        [str(i + 1) for i in range(image.shape[0])],
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    return mosaic_image


FIGURE = FigureKind(
    name="filters",
    needs="filters",
    uses=("image", "shown_member"),
    caption=(
        "First-layer filters of members as images, at the smallest and the largest λ. "
        "Columns are members, labeled with their index: all of them, or 16 sorted from the weakest "
        "to the strongest. Rows are the filters of each member with the largest norms, up to 8, "
        "averaged over input channels. All images share one gray scale, with 0 in the middle, that "
        "covers 99.8 % of the weights; members that have learned little look flat. Epoch chosen on "
        "the validation split, first trial. Compare Webb et al. (2020), Fig. 5."
    ),
    draw=draw,
)
