"""What members are taught, by epoch: their own share of the gradient, and two losses' agreement.

Above: the members' own part in the squared gradient by the logits, the rest being the same for
all of them; at λ = 1 it is 0, which has no place on a logarithmic axis. Below: the cosine between
the gradients of a member's own loss and of the ensemble's, by its weights; the line is the median
member, the shade reaches from the lowest to the highest. The first trial is drawn, at the epochs
whose checkpoints are kept.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, style

NEEDS = "gradients"
USES = ("disagreement_share", "cosine")


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the gradients probe.

    Raises:
        ProbeError: if the run has kept no checkpoint.
    """
    one = available.lams(
        result.isel({names.TRIAL: trial}), "disagreement_share", available.NO_CHECKPOINTS
    )
    figure = style.figure(4.2)
    above, below = figure.subplots(2, 1, sharex=True)
    for lam in one[names.LAM].values:
        draw_on(one.sel({names.LAM: lam}), above, below)
    above.set(ylabel="Own share (%)")
    if any(np.any(line.get_ydata() > 0) for line in above.lines):
        above.set_yscale("log", nonpositive="mask")
    below.axhline(0, color=style.QUIET, linewidth=0.8)
    below.set(ylim=(-1.05, 1.05), xlabel="Epoch", ylabel="Cosine of gradients")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = max(1, int(one[names.EPOCH].values[-1]))
    below.set_xlim(-0.02 * last, 1.02 * last)
    style.legend_of(figure)
    return figure


def draw_on(lane: xr.Dataset, above: Axes, below: Axes) -> None:
    """Draw one lane's share (epoch) and cosines (epoch, member) on the axes given."""
    look = style.lam_line(float(lane[names.LAM]))
    share = lane["disagreement_share"].values
    kept = np.isfinite(share)
    epochs = lane[names.EPOCH].values[kept]
    above.plot(epochs, 100 * share[kept], **look, label=style.lam_text(float(lane[names.LAM])))
    cosine = lane["cosine"].transpose(names.EPOCH, names.MEMBER).values[kept]
    told = np.isfinite(cosine).any(1)
    if told.any():
        median = np.nanmedian(cosine[told], 1)
        low, high = np.nanmin(cosine[told], 1), np.nanmax(cosine[told], 1)
        below.plot(epochs[told], median, **look)
        below.fill_between(epochs[told], low, high, color=look["color"], alpha=0.15, linewidth=0)
