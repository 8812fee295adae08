"""How early one could have known: how often the leader at an epoch is the leader at the end.

One panel for each λ, and one for all lanes together; lanes that are not done are left out. The
line is the fraction of lanes, the band its exact 95 % interval, the dashed line a guess among the
members, the dotted one epoch 3. Trials count as independent; lanes of one trial begin alike, so
the band of all lanes is too narrow. Compare Webb et al. 2020, with Fig. 6.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.figures import available, panels, style
from jtdiag.stats import clopper_pearson

Floats = NDArray[np.floating[Any]]

NEEDS = "dominance"
USES = ("leader_is_final", "done")


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the dominance probe.

    Raises:
        ProbeError: if no lane is done.
    """
    done = result[["leader_is_final"]].where(result["done"] > 0)
    missing = "No lane of the run is done, so no leader is the final one yet; wait for its end."
    is_final = available.lams(done, "leader_is_final", missing)["leader_is_final"]
    epochs = is_final[names.EPOCH].values
    values = is_final.transpose(names.LAM, names.TRIAL, names.EPOCH).values
    drawn = [
        (style.lam_text(float(lam)), style.lam_colour(float(lam)), lanes)
        for lam, lanes in zip(is_final[names.LAM].values, values, strict=True)
    ]
    drawn.append(("all", style.ENSEMBLE, values.reshape(-1, len(epochs))))
    figure, axes = panels.in_rows(len(drawn), 1.6)
    for panel, (title, color, lanes) in zip(axes, drawn, strict=True):
        draw_on(epochs, lanes, 1 / result.sizes[names.MEMBER], color, panel)
        panel.set_title(f"{title}, {_done(lanes)}")
    for panel in panels.at_the_left(axes):
        panel.set_ylabel("Leader is final (%)")
    for panel in panels.at_the_bottom(axes):
        panel.set_xlabel("Epoch")
    return figure


def draw_on(epochs: Floats, lanes: Floats, guess: float, color: str, ax: Axes) -> None:
    """Draw how many lanes agree with their end on the axes that the caller gives.

    Args:
        epochs: (epochs,)
        lanes: (lanes, epochs), 1 where the leader is the final one; NaN if not done.
        guess: Fraction that agrees by chance.
        color: Of the line and its band.
        ax: Where to draw.
    """
    of = (~np.isnan(lanes)).sum(0)
    held = np.nansum(lanes, axis=0)
    low, high = clopper_pearson(held, of)
    share = np.where(of > 0, held / np.maximum(of, 1), np.nan)
    ax.fill_between(epochs, 100 * low, 100 * high, color=color, alpha=0.2, linewidth=0)
    ax.plot(epochs, 100 * share, color=color, marker=".", markersize=3.5, clip_on=False)
    ax.axhline(100 * guess, color=style.QUIET, linestyle="--", linewidth=0.8)
    if epochs[-1] > 3:
        ax.axvline(3, color=style.QUIET, linestyle=":", linewidth=0.8)
    ax.set(xlim=(0, max(1, epochs[-1])), ylim=(0, 103))
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _done(lanes: Floats) -> str:
    count = int((~np.isnan(lanes)).any(1).sum())
    return f"{count} lane" + ("" if count == 1 else "s")
