"""How early one could have known: how often the leader at an epoch is the leader at the end.

One panel for each λ, and one for all lanes together; lanes that are not done are left out. The
line is the fraction of lanes, the band its exact 95 % interval, the dashed line a guess among the
members, the dotted one epoch 3. Trials count as independent; lanes of one trial begin alike, so
the band of all lanes is too narrow. Compare Webb et al. 2020, with Fig. 6.
"""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.figures import style
from jtdiag.intervals import clopper_pearson

Floats = NDArray[np.floating[Any]]

NEEDS = "dominance"
COLUMNS = 4
"""Most panels beside each other."""


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the dominance probe."""
    is_final = result["leader_is_final"].where(result["done"] > 0).sortby(names.LAM)
    epochs = is_final[names.EPOCH].values
    values = is_final.transpose(names.LAM, names.TRIAL, names.EPOCH).values
    panels = [
        (style.lam_text(float(lam)), style.lam_colour(float(lam)), lanes)
        for lam, lanes in zip(is_final[names.LAM].values, values, strict=True)
    ]
    panels.append(("all", style.ENSEMBLE, values.reshape(-1, len(epochs))))
    columns = min(len(panels), COLUMNS)
    rows = math.ceil(len(panels) / columns)
    width = style.WIDTH if columns <= 3 else style.WIDE
    figure = Figure(figsize=(width, 1.6 * rows + 0.2), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for i, (title, color, lanes) in enumerate(panels):
        draw_on(epochs, lanes, 1 / result.sizes[names.MEMBER], color, axes[i])
        axes[i].set_title(f"{title}, {_done(lanes)}")
        if i % columns == 0:
            axes[i].set_ylabel("Leader is final (%)")
        if i + columns >= len(panels):
            axes[i].set_xlabel("Epoch")
            axes[i].tick_params(labelbottom=True)
    for panel in axes[len(panels) :]:
        panel.set_visible(False)
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
    ax.axhline(100 * guess, color="#888888", linestyle="--", linewidth=0.8)
    if epochs[-1] > 3:
        ax.axvline(3, color="#888888", linestyle=":", linewidth=0.8)
    ax.set(xlim=(0, max(1, epochs[-1])), ylim=(0, 103))
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _done(lanes: Floats) -> str:
    count = int((~np.isnan(lanes)).any(1).sum())
    return f"{count} lane" + ("" if count == 1 else "s")
