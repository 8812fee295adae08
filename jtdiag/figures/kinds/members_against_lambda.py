"""Errors of the ensemble and of its members against λ: what is a member worth alone?

Black: the ensemble; blue: the median member; the shade reaches from the best member to the worst.
Means over trials at the epoch that validation chose, with standard errors on the lines (absent for
a single trial). λ is spaced evenly. Compare Webb et al. 2020, Fig. 6, whose last epochs these are.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, means, panels, style

NEEDS = "performance"
USES = (
    "ensemble_error_mean",
    "ensemble_error_se",
    "median_member_error_mean",
    "median_member_error_se",
    "best_member_error_mean",
    "worst_member_error_mean",
)


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the performance probe: in training, and on test."""
    drawn = available.lams(result, "ensemble_error_mean", "Nothing of the run is trained yet.")
    figure, axes = panels.in_rows(2, 2.3)
    for ax, split in zip(axes, (names.TRAIN, names.TEST), strict=True):
        draw_on(drawn.sel({names.SPLIT: split}), ax)
        ax.set_title(style.LABELS[split])
    axes[0].set_ylabel(style.error_label(result, "Error"))
    style.keep_in_sight(axes[0])
    style.legend_of(figure)
    return figure


def draw_on(at: xr.Dataset, ax: Axes) -> None:
    """Draw the errors (lam) of one split on the axes that the caller gives."""
    lams = at[names.LAM].values
    best, worst = (100 * at[f"{who}_member_error_mean"].values for who in ("best", "worst"))
    where = np.arange(len(lams))
    shade = {"color": style.MEMBER, "alpha": 0.3, "linewidth": 0}
    ax.fill_between(where, best, worst, label="best to worst member", **shade)  # type: ignore[arg-type]
    for who, label, colour, marker in (
        ("median_member", "median member", style.MEMBER, "s"),
        ("ensemble", "ensemble", style.ENSEMBLE, "o"),
    ):
        mean, error = (at[f"{who}_error_{what}"].values for what in ("mean", "se"))
        means.draw(ax, mean, error, 100, color=colour, marker=marker, label=label)
    style.lam_axis(ax, lams)
    ax.set_ylim(bottom=0)
    style.end_names(ax, lams)
