"""Error of the ensemble and of every member by epoch."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, panels, style
from jtdiag.figures.contract import FigureKind, Results

RASTER_FROM = 64
"""Number of members from which their lines are rasterized, to keep PDFs small."""


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the dominance probe of one run.

    Raises:
        ProbeError: if no epoch of the trial has been completed.
    """
    [(_, result)] = results
    by_lam = available.lams(
        result.isel({names.TRIAL: trial}),
        "ensemble_error",
        f"Trial {trial} has not completed its first epoch.",
    )
    lams = by_lam[names.LAM].values
    splits = available.splits(by_lam, "ensemble_error")
    figure, axes = _grid(len(lams), len(splits))
    for i, lam in enumerate(lams):
        lane = by_lam.sel({names.LAM: lam})
        leader = _final_leader(lane)
        below, column = divmod(i, axes.shape[1])
        for row, split in enumerate(splits):
            panel = axes[len(splits) * below + row, column]
            draw_on(lane.sel({names.SPLIT: split}), leader, panel)
            if row == 0:
                panel.set_title(style.lam_text(lam))
            if column == 0:
                panel.set_ylabel(style.error_label(result, f"{style.LABELS[split]} error"))
            if row == len(splits) - 1:
                panel.set_xlabel("Epoch")
                panel.tick_params(labelbottom=True)
    style.legend(figure, order=("members", "leader", "ensemble"))
    return figure


def _grid(lams: int, splits: int) -> tuple[Figure, Any]:
    """Return a figure with a panel for each λ and split; those of a λ are below each other."""
    columns = panels.columns_for(lams)
    rows = splits * math.ceil(lams / columns)
    figure = style.figure(1.55 * rows + 0.35, rows=True)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for i in range(lams, rows // splits * columns):
        for row in range(-splits, 0):
            axes[row, i % columns].remove()
    return figure, axes


def draw_on(lane: xr.Dataset, leader: int, ax: Axes) -> None:
    """Draw one λ, trial and split.

    Args:
        lane: member_error (epoch, member) and ensemble_error (epoch); its attribute early_epoch
            is marked with a vertical line.
        leader: The member to highlight; -1 for none.
        ax: Axes to draw on.
    """
    epochs = lane[names.EPOCH].values
    errors = 100 * lane[names.MEMBER_ERROR].transpose(names.EPOCH, names.MEMBER).values
    many = errors.shape[1] >= RASTER_FROM
    thin = {"linewidth": 0.35, "alpha": 0.35} if many else {"linewidth": 0.8}
    lines = ax.plot(epochs, errors, color=style.MEMBER, rasterized=many, **thin)  # type: ignore[arg-type]
    lines[0].set_label("members")
    if leader >= 0 and errors.shape[1] > 1:
        ax.plot(epochs, errors[:, leader], color=style.LEADER, linestyle="--", label="leader")
    ensemble = 100 * lane[names.ENSEMBLE_ERROR].values
    ax.plot(epochs, ensemble, color=style.ENSEMBLE, linewidth=1.6, label="ensemble")
    mark_early_epoch(lane, ax)
    ax.set(xlim=(0, max(1, epochs[-1])), ylim=(0, 100))
    ax.set_yticks([0, 25, 50, 75, 100])


def mark_early_epoch(result: xr.Dataset, ax: Axes) -> None:
    """Mark the epoch of the early prediction with a vertical line, if later epochs follow."""
    early = int(result.attrs["early_epoch"])
    if result[names.EPOCH].values[-1] > early:
        line = {"color": style.QUIET, "linestyle": ":", "linewidth": 0.8}
        ax.axvline(early, **line, label=f"epoch {early}")  # type: ignore[arg-type]


def _final_leader(lane: xr.Dataset) -> int:
    """Return the member with the lowest training error at the last epoch; -1 if none."""
    leaders = lane["leader"].sel({names.SPLIT: names.TRAIN}).values
    epochs = np.flatnonzero(leaders >= 0)
    return int(leaders[epochs[-1]]) if epochs.size else -1


FIGURE = FigureKind(
    name="errors-by-epoch",
    needs="dominance",
    uses=("member_error", "ensemble_error", "leader"),
    caption=(
        "Training and test error of the ensemble and of every member by epoch, for each λ. "
        "The dashed line is the leader, the member with the lowest training error at the last "
        "epoch. If its error is close to that of the ensemble and the errors of the others are "
        "not, it dominates; if no member comes close, the members are accurate only in "
        "combination. The dotted line marks the epoch of the early prediction. First trial. "
        "Compare Webb et al. (2020), Fig. 6."
    ),
    draw=draw,
)
