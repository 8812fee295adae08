"""Test error of the ensemble against λ."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.figures import available, error_bars, style
from jtdiag.figures.contract import FigureKind, Results

SINGLE = {"color": style.ENSEMBLE, "marker": "o", "linestyle": "-"}
"""Line of a run that is drawn alone."""


def draw(results: Results) -> Figure:
    """Draw the results of the performance probe, one line per run.

    Raises:
        ProbeError: if one of the runs has not completed its first epoch.
    """
    measured = [
        (name, available.lams(result, "ensemble_error_mean", f"{name}: {available.NOT_TRAINED}"))
        for name, result in results
    ]
    lams = np.unique(np.concatenate([result[names.LAM].values for _, result in measured]))
    figure = style.figure(2.6)
    ax = figure.add_subplot()
    alone = len(measured) == 1
    for i, (name, result) in enumerate(measured):
        line = SINGLE if alone else style.run_line(i, len(measured)) | {"label": name}
        draw_on(result, lams, ax, dots=alone, **line)
    style.lam_axis(ax, lams)
    ax.set_ylabel(style.error_label(measured[0][1], "Ensemble test error"))
    ax.margins(y=0.12)
    style.limit_error_axis(ax)
    style.end_labels(ax, lams)
    style.legend(figure)
    return figure


def draw_on(
    result: xr.Dataset, lams: NDArray[np.floating], ax: Axes, *, dots: bool = True, **line: Any
) -> None:
    """Draw the test error of one run.

    Args:
        result: ensemble_error (lam, trial, split), its mean and interval (lam, split), and optimum…
            (split).
        lams: All λs of the figure in ascending order; they are evenly spaced.
        ax: Axes to draw on.
        dots: Whether to draw the individual trials.
        line: Color, marker, line style and label.
    """
    test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    x = np.searchsorted(lams, test[names.LAM].values)
    means = error_bars.of_result(test, "ensemble_error")
    if dots:
        for row in 100 * test[names.ENSEMBLE_ERROR].transpose(names.TRIAL, names.LAM).values:
            ax.plot(x, row, ".", color=style.MEMBER, markersize=3.5, zorder=1)
    error_bars.draw(ax, x, means, **line)
    mark_optimum(test, float(np.nanmin(means[0])), lams, ax, **line)


def mark_optimum(
    test: xr.Dataset, height: float, lams: NDArray[np.floating], ax: Axes, **line: Any
) -> None:
    """Mark the best λ at a height, with its interval if there is one."""
    best, low, high = (float(test[n]) for n in ("optimum", "optimum_low", "optimum_high"))
    if not np.isfinite(best):
        return
    x = np.searchsorted(lams, best)
    ax.plot(x, height, color=line["color"], marker=line["marker"], markersize=8)
    if np.isfinite(low):
        ends = np.searchsorted(lams, [low, high])
        ax.plot(ends, [height, height], color=line["color"], linewidth=4, alpha=0.35)


FIGURE = FigureKind(
    name="error-against-lambda",
    needs="performance",
    uses=(
        "ensemble_error",
        "ensemble_error_mean",
        "optimum",
        "optimum_low",
        "optimum_high",
    ),
    optional=("ensemble_error_low", "ensemble_error_high"),
    compares=True,
    caption=(
        "Test error of the ensemble against λ, from independent to end-to-end training. "
        "Means over trials at the epoch chosen on the validation split; bars show 95 % intervals, "
        "small dots the individual trials (for a single run). The large marker shows the λ with "
        "the lowest mean error, the horizontal bar its 95 % bootstrap interval over trials. λs are "
        "evenly spaced. Compare Webb et al. (2020), Fig. 3."
    ),
    draw=draw,
)
