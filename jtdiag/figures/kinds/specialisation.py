"""Which members carry which modes of the ensemble's outputs, for each λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.figures import available, heat_map, panels, style
from jtdiag.figures.contract import FigureKind, Results

ROWS = 12
"""Maximum number of modes, the largest."""
COLUMNS = 16
"""Maximum number of members; of more, those with the largest weight of the modes they win."""
WRITTEN = 8
"""Members up to which every share is written into its cell."""
DARK = 60
"""Share in percent from which text is white."""


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the specialisation probe of one run.

    Raises:
        ProbeError: if the run stores no outputs on the test split.
    """
    [(_, result)] = results
    test = result.isel({names.TRIAL: [trial], names.MODE: slice(0, ROWS)})
    test = test.sel({names.SPLIT: names.TEST})
    test = available.lams(test, "mode_share", available.NO_OUTPUTS).isel({names.TRIAL: 0})
    lams = test[names.LAM].values
    shown = [_last_epoch(test.sel({names.LAM: lam})) for lam in lams]
    height = 0.75 + 0.19 * max(lane.sizes[names.MODE] for lane in shown)
    figure, axes = panels.in_rows(len(lams), height, share=False, min_width=style.OWN_AXES)
    for panel, lane in zip(axes, shown, strict=True):
        image = draw_on(lane, panel)
        panel.set_title(_title(float(lane[names.LAM]), lams, style.at_lam_1(result)))
        panel.set_xlabel("Member")
    for panel in axes[:: panels.columns_for(len(axes), style.OWN_AXES)]:
        panel.set_ylabel("Mode (weight)")
    figure.colorbar(image, ax=axes, label="Share of the mode (%)", shrink=0.9, aspect=30)
    return figure


def _last_epoch(lane: xr.Dataset) -> xr.Dataset:
    """Select the last epoch with shares, the modes that exist, and the members to show."""
    lane = lane.dropna(names.EPOCH, how="all", subset=["mode_share"]).isel({names.EPOCH: -1})
    lane = lane.isel({names.MODE: np.flatnonzero(lane["singular_value"].notnull())})
    order = np.argsort(-lane["weight_won"].values, kind="stable")
    return lane.isel({names.MEMBER: np.sort(order[:COLUMNS])})


def _title(lam: float, lams: np.ndarray, at_lam_1: str) -> str:
    ends = {0.0: "\nindependent", 1.0: f"\n{at_lam_1}"} if len(lams) > 1 else {}
    return style.lam_text(lam) + ends.get(lam, "\n" if ends else "")


def draw_on(lane: xr.Dataset, ax: Axes) -> AxesImage:
    """Draw the shares at one λ, and return the image.

    Args:
        lane: mode_share (mode, member), mode_weight (mode).
        ax: Axes to draw on.
    """
    percent = 100 * lane["mode_share"].transpose(names.MODE, names.MEMBER).values
    image = ax.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    members = lane[names.MEMBER].values
    ax.set_xticks(
        range(len(members)),
        [str(member) for member in members],
        rotation=90 if len(members) > WRITTEN else 0,
    )
    ax.set_yticks(
        range(len(percent)),
        [
            f"{mode} ({100 * weight:.0f} %)"
            for mode, weight in zip(
                lane[names.MODE].values, lane["mode_weight"].values, strict=True
            )
        ],
    )
    heat_map.without_frame(ax)
    if len(members) <= WRITTEN:
        heat_map.write(percent, _share_text, ax, dark=DARK)
    return image


def _share_text(percent: float) -> str:
    return f"{percent:.0f}".replace("-0", "0").replace("-", "−")


FIGURE = FigureKind(
    name="specialisation",
    needs="specialisation",
    uses=("mode_share", "mode_weight", "singular_value", "weight_won"),
    caption=(
        "Shares of the members in the modes of the ensemble's outputs, for each λ. "
        "Rows are the largest modes, up to 12, with their weight: singular vectors of the "
        "ensemble's centered logits over the test examples, and each squared singular value over "
        "the sum of all. Columns are members, or of more than 16 those that win the largest "
        "weight of modes. Numbers are shares in percent; a row sums to 100 over all members, and "
        "negative shares, of members that oppose the ensemble, are drawn white. "
        "In dominance one column is dark, in specialization every row has a few dark cells in "
        "different columns, and in independence all cells are alike. Last epoch with outputs, "
        "first trial."
    ),
    draw=draw,
)
