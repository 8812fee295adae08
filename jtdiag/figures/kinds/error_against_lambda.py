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
from jtdiag.figures.labels import undrawn
from jtdiag.stats import LEAST_TRIALS, best_set, from_lowest

SINGLE = {"color": style.ENSEMBLE, "marker": "o", "linestyle": "-"}
"""Line of a run that is drawn alone."""


def draw(results: Results) -> Figure:
    """Draw the results of the performance probe, one line per run.

    Raises:
        ProbeError: if one of the runs has no test errors.
    """
    measured = [
        (name, available.measured_on_test(result, "ensemble_error_mean", undrawn(name)))
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
    style.end_labels(ax, lams, *(result for _, result in measured))
    style.legend(figure)
    return figure


def draw_on(
    result: xr.Dataset, lams: NDArray[np.floating], ax: Axes, *, dots: bool = True, **line: Any
) -> None:
    """Draw the test error of one run.

    Args:
        result: ensemble_error (lam, trial, split) and its mean (lam, split).
        lams: All λs of the figure in ascending order; they are evenly spaced.
        ax: Axes to draw on.
        dots: Whether to draw the individual trials.
        line: Color, marker, line style and label.
    """
    test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    x = np.searchsorted(lams, test[names.LAM].values)
    trials = 100 * test[names.ENSEMBLE_ERROR].transpose(names.LAM, names.TRIAL).values
    if dots:
        for row in trials.T:
            ax.plot(x, row, ".", color=style.MEMBER, markersize=3.5, zorder=3)
    error_bars.draw(ax, x, error_bars.of_result(test, "ensemble_error"), **line)
    mark_best(trials, x, ax, **line)


def mark_best(trials: NDArray[np.floating], x: NDArray[np.integer], ax: Axes, **line: Any) -> None:
    """Mark the λ with the lowest mean, filled, and those not significantly different, with rings.

    Args:
        trials: Errors in percent, (lam, trial), λs ascending; NaN where not measured.
        x: Positions of the λs, (lam,).
        ax: Axes to draw on.
        line: Color and marker.
    """
    lowest = int(from_lowest(trials).lowest)
    if lowest < 0:
        return
    look = {"color": line["color"], "marker": line["marker"], "markersize": 8, "linestyle": ""}
    mean = np.nanmean(trials[lowest])
    ax.plot(x[lowest], mean, **look)
    similar = [lam for lam in tested_best(trials) if lam != lowest]
    ax.plot(x[similar], [np.nanmean(trials[i]) for i in similar], markerfacecolor="none", **look)


def tested_best(trials: NDArray[np.floating]) -> list[int]:
    """Return the indices of the best λs, without those that have too few trials to be tested.

    Args:
        trials: Errors (lam, trial); NaN where not measured.
    """
    lowest = int(from_lowest(trials).lowest)
    pairs = (np.isfinite(trials) & np.isfinite(trials[lowest])).sum(1)
    return [
        i
        for i, in_set in enumerate(best_set(trials))
        if in_set and (i == lowest or pairs[i] >= LEAST_TRIALS)
    ]


FIGURE = FigureKind(
    name="error-against-lambda",
    needs="performance",
    uses=(
        "ensemble_error",
        "ensemble_error_mean",
    ),
    optional=("ensemble_error_low", "ensemble_error_high"),
    compares=True,
    caption=(
        "Test error of the ensemble against λ, from independent to joint training. "
        "Means over trials at the epoch chosen on the validation split; bars show 95 % intervals, "
        "small dots the individual trials (for a single run). The large filled marker shows the λ "
        "with the lowest mean error, large rings those that are not significantly different (from "
        "three trials). λs are evenly spaced. Compare Webb et al. (2020), Fig. 3."
    ),
    draw=draw,
)
