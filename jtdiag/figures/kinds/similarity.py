"""How similar the layers of a member are, and the members at each layer, for each λ."""

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.figures import available, error_bars, heat_map, panels, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch

WRITTEN = 5
"""Layers up to which every similarity is written into its cell."""
DARK = 0.6
"""Similarity from which text is white."""
MEMBERS_HEIGHT = 1.5
"""Height of the panel on members in inches, for LNCS."""
BETWEEN_TRIALS = "_between trials"
"""Label of the lines of members of different trials, which are not in the legend."""
LONG_NAMES = 4
"""Number of layers above which their names are written upwards."""


def draw(results: Results) -> Figure:
    """Draw the result of the probe `similarity` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    result = available.lams(result, "layer_similarity", available.NO_CHECKPOINTS)
    result = at_last_epoch(result, result[LAST_EPOCH])
    lams = [float(lam) for lam in result[names.LAM].values]
    members = bool(result["member_similarity"].isel(layer=slice(1, None)).notnull().any())
    figure, maps, below = _axes(len(lams), result.sizes["layer"], members=members)
    for ax, lam in zip(maps, lams, strict=True):
        image = draw_layers(result["layer_similarity"].sel({names.LAM: lam}), ax)
        ax.set_title(style.lam_text(lam))
    figure.colorbar(image, ax=maps, label="CKA of two layers", shrink=0.9, aspect=20)
    if below:
        draw_members(result, below)
        style.legend(figure)
    return figure


def _axes(lams: int, layers: int, *, members: bool) -> tuple[Figure, list[Axes], Axes | None]:
    """Return a figure with a panel for each λ and, if there are members, one for them.

    That is beside the last λ where columns are left, or else below. The last panel fills its row.
    """
    columns = panels.columns_for(lams, style.OWN_AXES)
    beside = lams % columns > 0
    heights = [1.35 + 0.1 * layers] * math.ceil(lams / columns)
    heights += [MEMBERS_HEIGHT] * (members and not beside)
    figure = style.figure(sum(heights) + 0.3, rows=True)
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    cells = [divmod(i, columns) for i in range(lams + members)]
    axes = [figure.add_subplot(grid[cell]) for cell in cells[:-1]]
    row, column = cells[-1]
    axes.append(figure.add_subplot(grid[row, column:]))
    return figure, axes[:lams], axes[-1] if members else None


def draw_layers(values: xr.DataArray, ax: Axes) -> AxesImage:
    """Draw the similarity of layers, mean over trials, and return the image.

    Args:
        values: (trial, layer, other_layer); NaN leaves a cell white.
        ax: Axes to draw on.
    """
    mean = values.mean(names.TRIAL).transpose("layer", "other_layer").values
    image = ax.imshow(np.clip(mean, 0, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    layers = [str(name) for name in values["layer"].values]
    _name_layers(ax, layers)
    ax.set_yticks(range(len(layers)), layers)
    heat_map.without_frame(ax)
    if len(layers) <= WRITTEN:
        heat_map.write(mean, _value_text, ax, dark=DARK)
    return image


def _value_text(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def draw_members(result: xr.Dataset, ax: Axes) -> None:
    """Draw the similarity of members by layer, a line for each λ; thin: between trials."""
    layers = [str(name) for name in result["layer"].values[1:]]
    x = np.arange(len(layers))
    for lam in map(float, result[names.LAM].values):
        at_lam = result.sel({names.LAM: lam}).isel(layer=slice(1, None))
        line = style.lam_line(lam)
        if at_lam["member_similarity"].notnull().any():
            values = at_lam["member_similarity"].transpose("layer", names.TRIAL)
            mean, low, high = error_bars.over_trials(values)
            means = mean, np.maximum(low, -1), np.minimum(high, 1)
            error_bars.draw(ax, x, means, **line, label=style.lam_text(lam))
        reference = at_lam["reference_similarity"].mean(names.TRIAL).values
        if np.isfinite(reference).any():
            thin = {"color": line["color"], "linewidth": 0.8, "linestyle": ":", "marker": ""}
            ax.plot(x, reference, **thin, label=BETWEEN_TRIALS)
    _name_layers(ax, layers)
    ax.set(title="Members", ylabel="CKA of two members")
    ax.set_ylim(top=1.02, bottom=min(0.0, ax.get_ylim()[0]))
    ax.margins(x=0.08)


def _name_layers(ax: Axes, layers: list[str]) -> None:
    ax.set_xticks(range(len(layers)), layers, rotation=90 if len(layers) > LONG_NAMES else 0)


FIGURE = FigureKind(
    name="similarity",
    needs="similarity",
    uses=("layer_similarity", "member_similarity", "reference_similarity", LAST_EPOCH),
    caption=(
        "How similar the representations of layers and members are, by unbiased linear CKA. On "
        "test examples: 1 is the same up to rotation and scale, 0 independent. For each λ, the "
        "layers of a member with each other, mean over members and trials; layers whose features "
        "do not vary are white. "
        "Members: two members of an ensemble at each layer, mean over pairs, with 95 % intervals "
        "over trials, none for a single trial; thin dotted lines without markers are of members of "
        "different trials at the same λ. Last epoch of each trial with a checkpoint. Compare "
        "Kornblith et al. (2019)."
    ),
    draw=draw,
)
