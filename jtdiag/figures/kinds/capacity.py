"""Test error against λ for members of several sizes."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from jtdiag import names, stats
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.figures.kinds.error_against_lambda import mark_best, tested_best
from jtdiag.figures.labels import undrawn


def draw(results: Results) -> Figure:
    """Draw the results of the capacity probe, one line per run.

    Raises:
        ProbeError: if one of the runs has no test errors.
    """
    by_size = sorted(results, key=lambda named: float(named[1]["parameters_per_member"]))
    for name, result in by_size:
        available.measured_on_test(result, "error", undrawn(name))
    lams = np.unique(np.concatenate([result[names.LAM].values for _, result in results]))
    sizes = np.array([float(result["parameters_per_member"]) for _, result in results])
    sizes = sizes[np.isfinite(sizes)]
    several = len(results) > 1 and len(sizes) > 0
    figure, axes = panels.in_rows(1 + several, 2.6, share=False, min_width=style.OWN_AXES)
    for i, (name, result) in enumerate(by_size):
        line = style.run_line(i, len(by_size))
        draw_on(result, lams, axes[0], **line, label=_label(name, result))
        if several:
            _draw_optimum(result, lams, axes[1], **line)
    style.end_labels(axes[0], lams, *(result for _, result in results))
    style.legend(figure)
    if several:
        axes[1].set(xscale="log", xlabel="Parameters per member", ylabel=r"Best $\lambda$")
        axes[1].set_yticks(np.arange(len(lams)), [style.lam_tick(lam) for lam in lams])
        axes[1].set_ylim(-0.4, len(lams) - 0.6)
        axes[1].xaxis.set_minor_formatter(NullFormatter())
        # Complete decades, so that there are at least two tick labels.
        ends = np.floor(np.log10(sizes.min())), np.log10(sizes.max()) // 1 + 1
        axes[1].set_xlim(*(10.0**end for end in ends))
    return figure


def draw_on(result: xr.Dataset, lams: np.ndarray, ax: Axes, **line: Any) -> None:
    """Draw the test error of one run against λ.

    Args:
        result: error (lam, trial, split) and error_smoothed (lam, split).
        lams: All λs of the figure in ascending order; they are evenly spaced.
        ax: Axes to draw on.
        line: Color, marker and label.
    """
    test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    x = np.searchsorted(lams, test[names.LAM].values)
    error_bars.draw(ax, x, error_bars.in_percent(test["error"]), **line)
    smooth = 100 * test["error_smoothed"].values
    ax.plot(x, smooth, color=line["color"], linestyle=":", linewidth=0.9)
    mark_best(100 * _by_trial(test), x, ax, **line)
    style.lam_axis(ax, lams)
    ax.set(ylabel="Ensemble test error (%)")


def _draw_optimum(result: xr.Dataset, lams: np.ndarray, ax: Axes, **line: Any) -> None:
    """Draw the best λs of one run, if the size of its members is known."""
    size = float(result["parameters_per_member"])
    test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    trials = _by_trial(test)
    lowest = int(stats.from_lowest(trials).lowest)
    if not np.isfinite(size) or lowest < 0:
        return
    heights = np.searchsorted(lams, test[names.LAM].values)
    similar = tested_best(trials)
    line |= {"linestyle": ""}
    ax.plot([size] * len(similar), heights[similar], **line | {"markerfacecolor": "none"})
    ax.plot([size], heights[[lowest]], markersize=8, **line)


def _by_trial(test: xr.Dataset) -> np.ndarray:
    return test["error"].transpose(names.LAM, names.TRIAL).values


def _label(name: str, result: xr.Dataset) -> str:
    size, members = float(result["parameters_per_member"]), result.attrs["members"]
    if not np.isfinite(size):
        return f"{name}: {members} members of unknown size"
    if result.attrs.get("branched", False):
        return f"{name}: {members} branches, {size:,.0f} parameters in total"
    return f"{name}: {members} × {size:,.0f} parameters"


FIGURE = FigureKind(
    name="capacity",
    needs="capacity",
    uses=(
        "error",
        "error_smoothed",
        "parameters_per_member",
    ),
    compares=True,
    caption=(
        "Test error of the ensemble against λ, for members of different sizes. "
        "Left: one line per run; means over trials at the epoch chosen on the validation split; "
        "bars show 95 % intervals. Dotted lines average each value with those of the neighboring "
        "λs. Large filled markers show the λ with the lowest mean error, rings those that are not "
        "significantly different (from three trials). Right, for two or more runs: the same λs "
        "against the number of parameters per member. Compare Webb et al. (2020), Fig. 4."
    ),
    draw=draw,
)
