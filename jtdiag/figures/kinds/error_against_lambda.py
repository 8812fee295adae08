"""Test error of the ensemble against λ, from independent to end-to-end training.

The line joins means over trials, at the epoch that validation chose. Bars are one standard error
over trials to either side; they are absent for a single trial. Small dots are the trials of an only
run. The large mark is the λ with the lowest mean, the bar through it the 95 % interval of the best
λ over resampled trials. λ is spaced evenly, not to scale. Compare Webb et al. 2020, Fig. 3.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.figures import available, style

NEEDS = "performance"
COMPARES = True
USES = (
    "ensemble_error",
    "ensemble_error_mean",
    "ensemble_error_se",
    "optimum",
    "optimum_low",
    "optimum_high",
)
ONLY = {"color": style.ENSEMBLE, "marker": "o", "linestyle": "-"}
"""Of the line of an only run."""


def draw(results: list[tuple[str, xr.Dataset]]) -> Figure:
    """Return the figure for results of the performance probe, by the name of the run."""
    drawn = [
        (name, available.lams(result, "ensemble_error_mean", f"{name}: nothing is trained yet."))
        for name, result in results
    ]
    lams = np.unique(np.concatenate([result[names.LAM].values for _, result in drawn]))
    figure = style.figure(2.6)
    ax = figure.add_subplot()
    for i, (name, result) in enumerate(drawn):
        look = ONLY if len(drawn) == 1 else style.run_line(i, len(drawn)) | {"label": name}
        draw_on(result, lams, ax, dots=len(drawn) == 1, **look)
    style.lam_axis(ax, lams)
    ax.set_ylabel(style.error_label(drawn[0][1], "Test error of the ensemble"))
    ax.margins(y=0.12)
    style.keep_in_sight(ax)
    style.end_names(ax, lams)
    style.legend_of(figure)
    return figure


def draw_on(
    result: xr.Dataset, lams: NDArray[np.floating], ax: Axes, *, dots: bool = True, **look: Any
) -> None:
    """Draw one run's error on the test split on the axes that the caller gives.

    Args:
        result: ensemble_error (lam, trial, split), its mean and se (lam, split), and optimum…
            (split).
        lams: All λs of the figure, ascending; they are spaced evenly.
        ax: Where to draw.
        dots: Whether the trials are drawn as well.
        look: Colour, marker, line and label.
    """
    on_test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    at = np.searchsorted(lams, on_test[names.LAM].values)
    mean = 100 * on_test["ensemble_error_mean"].values
    se = 100 * on_test["ensemble_error_se"].values
    if dots:
        for row in 100 * on_test[names.ENSEMBLE_ERROR].transpose(names.TRIAL, names.LAM).values:
            ax.plot(at, row, ".", color=style.MEMBER, markersize=3.5, zorder=1)
    bars = np.where(np.isfinite(se), se, 0.0)
    ax.errorbar(at, mean, yerr=bars, markersize=4, capsize=2.5, **look)
    mark_optimum(on_test, float(np.nanmin(mean)), lams, ax, **look)


def mark_optimum(
    on_test: xr.Dataset, height: float, lams: NDArray[np.floating], ax: Axes, **look: Any
) -> None:
    """Mark the best λ, and its interval if it is known, at a height on the given axes."""
    best, low, high = (float(on_test[n]) for n in ("optimum", "optimum_low", "optimum_high"))
    if not np.isfinite(best):
        return
    place = np.searchsorted(lams, best)
    ax.plot(place, height, color=look["color"], marker=look["marker"], markersize=8)
    if np.isfinite(low):
        ends = np.searchsorted(lams, [low, high])
        ax.plot(ends, [height, height], color=look["color"], linewidth=4, alpha=0.35)
