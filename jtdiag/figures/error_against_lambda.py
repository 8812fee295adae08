"""Test error of the ensemble against λ, from independent (0) to end-to-end training (1).

Points are means over trials at the epoch that validation chose; bars are standard errors over
trials (absent for a single trial); small dots are the trials. The λ are spaced evenly, since the
interesting ones crowd near 1. Compare Webb et al. 2020, Fig. 3.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import style

NEEDS = "performance"


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the performance probe."""
    figure = Figure(figsize=(style.WIDTH, 2.6), layout="constrained")
    draw_on(result, figure.add_subplot())
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw the error of the ensemble on the test split on the axes that the caller gives."""
    on_test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    lams = on_test[names.LAM].values
    at = np.arange(len(lams))
    mean = 100 * on_test["ensemble_error_mean"].values
    se = 100 * on_test["ensemble_error_se"].values
    trials = 100 * on_test[names.ENSEMBLE_ERROR].transpose(names.TRIAL, names.LAM).values
    for row in trials:
        ax.plot(at, row, ".", color=style.MEMBER, markersize=3.5, zorder=1)
    bars = np.where(np.isfinite(se), se, 0.0)
    ax.errorbar(at, mean, yerr=bars, color=style.ENSEMBLE, marker="o", markersize=4, capsize=2.5)
    ax.set_xticks(at, [f"{lam:g}" for lam in lams])
    ax.set(xlabel=r"$\lambda$", ylabel=style.error_label(result, "Test error of the ensemble"))
    ax.margins(x=0.06, y=0.12)
    style.keep_in_sight(ax)
    ax.grid(visible=False, axis="x")
    _name_the_ends(ax, lams)


def _name_the_ends(ax: Axes, lams: np.ndarray) -> None:
    """Write what λ = 0 and λ = 1 mean below their ticks."""
    for lam, text, side in ((0.0, "independent", "left"), (1.0, "end to end", "right")):
        if lam in lams and len(lams) > 1:
            where = 0.0 if side == "left" else 1.0
            ax.annotate(
                text,
                (where, 0),
                xycoords="axes fraction",
                xytext=(0, -20),
                textcoords="offset points",
                ha=side,
                va="top",
                fontsize=8,
                style="italic",
            )
