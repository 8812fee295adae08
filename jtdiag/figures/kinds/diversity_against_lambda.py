"""Ensemble loss, mean member loss and diversity against λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, style
from jtdiag.figures.contract import FigureKind, Results

TERMS = (
    ("mean_member_loss", "mean member loss", style.MEMBER, "s", "-"),
    ("ensemble_loss", "ensemble loss", style.ENSEMBLE, "o", "-"),
    ("diversity", "diversity", style.LEADER, "D", "--"),
)
"""Variable, label, color, marker and line style."""


def draw(results: Results) -> Figure:
    """Draw the result of the diversity probe of one run.

    Raises:
        ProbeError: if the run has not completed its first epoch.
    """
    [(_, result)] = results
    chosen = result["chosen_epoch"]
    values = result[[name for name, *_ in TERMS]].isel({names.EPOCH: chosen.clip(min=0)})
    values = available.lams(values.where(chosen >= 0), "ensemble_loss", available.NOT_TRAINED)
    splits = available.splits(values, "ensemble_loss")
    figure = style.figure(2.7)
    axes = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for ax, split in zip(axes, splits, strict=True):
        draw_on(values.sel({names.SPLIT: split}), ax)
        ax.set_title(style.LABELS[split])
    axes[0].set_ylabel("Loss, diversity (nats)")
    style.legend(figure)
    return figure


def draw_on(values: xr.Dataset, ax: Axes) -> None:
    """Draw the terms (lam, trial) of one split."""
    lams = values[names.LAM].values
    for name, label, color, marker, dash in TERMS:
        means = error_bars.over_trials(values[name])
        line = {"color": color, "marker": marker, "linestyle": dash, "label": label}
        error_bars.draw_log(ax, np.arange(len(lams)), means, **line)
    style.plain_log(ax)
    style.lam_axis(ax, lams)
    ax.margins(x=0.08)
    style.end_labels(ax, lams, values)


FIGURE = FigureKind(
    name="diversity-against-lambda",
    needs="diversity",
    uses=("mean_member_loss", "ensemble_loss", "diversity", "chosen_epoch"),
    caption=(
        "Ensemble loss, mean member loss and diversity against λ, on the training and test splits. "
        "Diversity is the mean member loss minus the ensemble loss. Means over trials at the epoch "
        "chosen on the validation split; bars show 95 % intervals, none for a single trial. The "
        "vertical axis is logarithmic. Compare Webb et al. (2020), Fig. 9."
    ),
    draw=draw,
)
