"""What the gradients of the joint loss teach each member, by epoch."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the gradients probe of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    by_lam = available.lams(
        result.isel({names.TRIAL: trial}), "disagreement_share", available.NO_CHECKPOINTS
    )
    figure = style.figure(4.2)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for lam in by_lam[names.LAM].values:
        draw_on(by_lam.sel({names.LAM: lam}), top, bottom)
    top.set(ylabel="Member-specific part (%)")
    if any(np.any(line.get_ydata() > 0) for line in top.lines):
        top.set_yscale("log", nonpositive="mask")
    bottom.axhline(0, color=style.QUIET, linewidth=0.8)
    bottom.set(ylim=(-1.05, 1.05), xlabel="Epoch", ylabel="Gradient cosine")
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = max(1, int(by_lam[names.EPOCH].values[-1]))
    bottom.set_xlim(-0.02 * last, 1.02 * last)
    style.legend(figure)
    return figure


def draw_on(lane: xr.Dataset, top: Axes, bottom: Axes) -> None:
    """Draw the share (epoch) and the cosines (epoch, member) at one λ."""
    line = style.lam_line(float(lane[names.LAM]))
    share = lane["disagreement_share"].values
    measured = np.isfinite(share)
    epochs = lane[names.EPOCH].values[measured]
    top.plot(epochs, 100 * share[measured], **line, label=style.lam_text(float(lane[names.LAM])))
    cosine = lane["cosine"].transpose(names.EPOCH, names.MEMBER).values[measured]
    finite = np.isfinite(cosine).any(1)
    if finite.any():
        median = np.nanmedian(cosine[finite], 1)
        low, high = np.nanmin(cosine[finite], 1), np.nanmax(cosine[finite], 1)
        bottom.plot(epochs[finite], median, **line)
        bottom.fill_between(epochs[finite], low, high, color=line["color"], alpha=0.15, linewidth=0)


FIGURE = FigureKind(
    name="gradients",
    needs="gradients",
    uses=("disagreement_share", "cosine"),
    caption=(
        "Gradients that members receive, by epoch, for each λ. "
        "Top: share of the member-specific part in the squared norm of the gradient with respect "
        "to the logits; the rest is the same for all members. At λ = 1 the share is 0 and not "
        "drawn on the logarithmic axis. Bottom: cosine between the gradients of a member's own "
        "loss and of the ensemble loss with respect to its weights; lines show the median over "
        "members, bands the range. First trial, at all epochs with checkpoints."
    ),
    draw=draw,
)
