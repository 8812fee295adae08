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

from jtdiag import names
from jtdiag.figures import style
from jtdiag.figures.spectral_density import colours

NEEDS = "gradients"


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the gradients probe."""
    one = result.isel({names.TRIAL: trial}).sortby(names.LAM)
    figure = Figure(figsize=(style.WIDTH, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    lams = [float(lam) for lam in one[names.LAM].values]
    for lam, color in zip(lams, colours(len(lams)), strict=True):
        draw_on(one.sel({names.LAM: lam}), above, below, style.lam_text(lam), color)
    above.set(ylabel="Own share (%)")
    if any(np.any(line.get_ydata() > 0) for line in above.lines):
        above.set_yscale("log", nonpositive="mask")
    below.axhline(0, color="#888888", linewidth=0.8)
    below.set(ylim=(-1.05, 1.05), xlabel="Epoch", ylabel="Cosine of gradients")
    last = max(1, int(one[names.EPOCH].values[-1]))
    below.set_xlim(-0.02 * last, 1.02 * last)
    if above.lines:
        figure.legend(loc="outside upper center", ncols=min(5, len(above.lines)))
    else:
        above.annotate("no checkpoint kept", (0.5, 0.5), xycoords="axes fraction", ha="center")
    return figure


def draw_on(
    lane: xr.Dataset,
    above: Axes,
    below: Axes,
    label: str,
    color: tuple[float, float, float, float],
) -> None:
    """Draw one lane's share (epoch) and cosines (epoch, member) on the axes given."""
    share = lane["disagreement_share"].values
    known = np.isfinite(share)
    if not known.any():
        return
    epochs = lane[names.EPOCH].values[known]
    above.plot(epochs, 100 * share[known], color=color, marker="o", markersize=3, label=label)
    cosine = lane["cosine"].transpose(names.EPOCH, names.MEMBER).values[known]
    told = np.isfinite(cosine).any(1)
    if told.any():
        median = np.nanmedian(cosine[told], 1)
        low, high = np.nanmin(cosine[told], 1), np.nanmax(cosine[told], 1)
        below.plot(epochs[told], median, color=color, marker="o", markersize=3)
        below.fill_between(epochs[told], low, high, color=color, alpha=0.15, linewidth=0)
