"""Errors of the ensemble and of its members against λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results) -> Figure:
    """Draw the result of the performance probe of one run, on the training and test splits.

    Raises:
        ProbeError: if the run has not completed its first epoch.
    """
    [(_, result)] = results
    measured = available.lams(result, "ensemble_error_mean", available.NOT_TRAINED)
    splits = available.splits(measured, "ensemble_error_mean")
    figure, axes = panels.in_rows(len(splits), 2.3)
    for ax, split in zip(axes, splits, strict=True):
        draw_on(measured.sel({names.SPLIT: split}), ax)
        ax.set_title(style.LABELS[split])
    axes[0].set_ylabel(style.error_label(result, "Error"))
    style.limit_error_axis(axes[0])
    style.legend(figure)
    return figure


def draw_on(errors: xr.Dataset, ax: Axes) -> None:
    """Draw the errors (lam) of one split."""
    lams = errors[names.LAM].values
    x = np.arange(len(lams))
    best, worst = (100 * errors[f"{who}_member_error_mean"].values for who in ("best", "worst"))
    ax.fill_between(
        x, best, worst, label="best to worst member", color=style.MEMBER, alpha=0.3, linewidth=0
    )
    for who, label, color, marker in (
        ("median_member", "median member", style.MEMBER, "s"),
        ("ensemble", "ensemble", style.ENSEMBLE, "o"),
    ):
        means = error_bars.of_result(errors, f"{who}_error")
        error_bars.draw(ax, x, means, color=color, marker=marker, label=label)
    style.lam_axis(ax, lams)
    ax.set_ylim(bottom=0)
    style.end_labels(ax, lams, errors)


FIGURE = FigureKind(
    name="members-against-lambda",
    needs="performance",
    uses=(
        "ensemble_error",
        "ensemble_error_mean",
        "median_member_error",
        "median_member_error_mean",
        "best_member_error_mean",
        "worst_member_error_mean",
    ),
    optional=tuple(
        f"{who}_error_{end}" for who in ("ensemble", "median_member") for end in ("low", "high")
    ),
    caption=(
        "Error of the ensemble and of its members against λ, on the training and test splits. "
        "Lines show the ensemble and the median member, the band the range from the best to the "
        "worst member. Means over trials at the epoch chosen on the validation split; bars show 95 "
        "% intervals, none for a single trial. λs are evenly spaced. Compare the last epochs in "
        "Webb et al. (2020), Fig. 6."
    ),
    draw=draw,
)
