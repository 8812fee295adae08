"""Loss of the ensemble, mean loss of its members and diversity against λ, in training and on test.

Diversity is the second minus the first. Points are means over trials at the epoch that validation
chose; bars are standard errors over trials (absent for a single trial). Losses are on a logarithmic
scale, the λ spaced evenly. Compare Webb et al. 2020, Fig. 9.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, style

NEEDS = "diversity"
USES = ("mean_member_loss", "ensemble_loss", "diversity", "chosen_epoch")
TERMS = (
    ("mean_member_loss", "mean member loss", style.MEMBER, "s-"),
    ("ensemble_loss", "ensemble loss", style.ENSEMBLE, "o-"),
    ("diversity", "diversity", style.LEADER, "D--"),
)
"""Variable, name in the legend, colour, marker and line."""


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the diversity probe."""
    figure = style.figure(2.7)
    left, right = figure.subplots(1, 2, sharey=True)
    chosen = result["chosen_epoch"]
    at = result[[name for name, *_ in TERMS]].isel({names.EPOCH: chosen.clip(min=0)})
    at = available.lams(
        at.where(chosen >= 0), "ensemble_loss", "Nothing of the run is trained yet."
    )
    for ax, split in ((left, names.TRAIN), (right, names.TEST)):
        draw_on(at.sel({names.SPLIT: split}), ax)
        ax.set_title(style.LABELS[split])
    left.set_ylabel("Nats")
    style.legend(figure, *left.get_legend_handles_labels())
    return figure


def draw_on(at: xr.Dataset, ax: Axes) -> None:
    """Draw the terms (lam, trial) of one split on the axes that the caller gives."""
    lams = at[names.LAM].values
    where = np.arange(len(lams))
    for name, label, color, form in TERMS:
        values = at[name].transpose(names.LAM, names.TRIAL)
        mean = values.mean(names.TRIAL).values
        count = values.notnull().sum(names.TRIAL)
        se = values.std(names.TRIAL, ddof=1) / np.sqrt(count) if values.shape[1] > 1 else 0 * count
        bars = np.nan_to_num(se.values)
        positive = np.where(mean > 0, mean, np.nan)  # of a single member, diversity is 0
        # A bar down to 0 or less has no place on a logarithmic scale; it ends at a tenth.
        down = np.minimum(bars, 0.9 * np.nan_to_num(positive, nan=np.inf))
        ax.errorbar(
            where,
            positive,
            yerr=(down, bars),
            fmt=form,
            color=color,
            label=label,
            markersize=3.5,
            capsize=2,
        )
    style.plain_log(ax)
    style.lam_axis(ax, lams)
    ax.margins(x=0.08)
    style.end_names(ax, lams)
