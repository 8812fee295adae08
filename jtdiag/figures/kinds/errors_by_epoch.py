"""Error of the ensemble and of every member by epoch, in training and on test, for each λ.

Where one member (orange: the leader in training error at the end) stays near the ensemble and the
others do not, it dominates; where none does, the members work only together. The dotted line marks
epoch 3, by which this shows. The first trial is drawn. Compare Webb et al. 2020, Fig. 6.
"""

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, panels, style

NEEDS = "dominance"
USES = ("member_error", "ensemble_error", "leader")
RASTER_FROM = 64
"""Members from which their lines are pixels in a PDF, which would else take many megabytes."""


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the dominance probe."""
    one = result.isel({names.TRIAL: trial})
    one = available.lams(one, "ensemble_error", f"Nothing of trial {trial} is trained yet.")
    lams = one[names.LAM].values
    columns = panels.columns_for(len(lams))
    rows = 2 * math.ceil(len(lams) / columns)
    figure = style.figure(1.55 * rows + 0.35, rows=True)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for i in range(len(lams), rows // 2 * columns):
        for row in (-2, -1):
            axes[row, i % columns].remove()
    for i, lam in enumerate(lams):
        for row, split in enumerate((names.TRAIN, names.TEST)):
            panel = axes[2 * (i // columns) + row, i % columns]
            draw_on(one.sel({names.LAM: lam, names.SPLIT: split}), _final_leader(one, lam), panel)
            if row == 0:
                panel.set_title(style.lam_text(lam))
            if i % columns == 0:
                panel.set_ylabel(style.error_label(result, f"{style.LABELS[split]} error"))
            if row == 1:
                panel.set_xlabel("Epoch")
                panel.tick_params(labelbottom=True)
    _legend(figure)
    return figure


def draw_on(lane: xr.Dataset, leader: int, ax: Axes) -> None:
    """Draw one lane and split on the axes that the caller gives.

    Args:
        lane: member_error (epoch, member) and ensemble_error (epoch).
        leader: The member to be picked out; -1 for none.
        ax: Where to draw.
    """
    epochs = lane[names.EPOCH].values
    members = 100 * lane[names.MEMBER_ERROR].transpose(names.EPOCH, names.MEMBER).values
    many = members.shape[1] >= RASTER_FROM
    fine = {"linewidth": 0.35, "alpha": 0.35} if many else {"linewidth": 0.8}
    lines = ax.plot(epochs, members, color=style.MEMBER, rasterized=many, **fine)  # type: ignore[arg-type]
    lines[0].set_label("members")
    if leader >= 0 and members.shape[1] > 1:
        ax.plot(epochs, members[:, leader], color=style.LEADER, linestyle="--", label="leader")
    ensemble = 100 * lane[names.ENSEMBLE_ERROR].values
    ax.plot(epochs, ensemble, color=style.ENSEMBLE, linewidth=1.6, label="ensemble")
    if epochs[-1] > 3:
        ax.axvline(3, color=style.QUIET, linestyle=":", linewidth=0.8)
    ax.set(xlim=(0, max(1, epochs[-1])), ylim=(0, 100))
    ax.set_yticks([0, 25, 50, 75, 100])


def _final_leader(one: xr.Dataset, lam: float) -> int:
    leaders = one["leader"].sel({names.LAM: lam, names.SPLIT: names.TRAIN}).values
    led = np.flatnonzero(leaders >= 0)
    return int(leaders[led[-1]]) if led.size else -1


def _legend(figure: Figure) -> None:
    """Name each kind of line once, in the order in which they are drawn."""
    named = {
        label: handle
        for panel in figure.axes
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    labels = [label for label in ("members", "leader", "ensemble") if label in named]
    style.legend(figure, [named[label] for label in labels], labels)
