"""Test error against λ for several runs, with the best λ of each: does it fall as members grow?

A line for each run, named by the parameters of one of its members: means over trials at the epoch
that validation chose, with standard errors; dotted, the same averaged with its neighbours. The
large mark is the λ with the lowest mean, the bar through it the 95 % interval of the best λ over
resampled trials. With two runs or more, the second panel shows best λ and interval against
parameters. Compare Webb et al. 2020, Fig. 4.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from jtdiag import names
from jtdiag.figures import available, panels, style
from jtdiag.figures.kinds.error_against_lambda import mark_optimum

NEEDS = "capacity"
COMPARES = True
USES = (
    "error_mean",
    "error_se",
    "error_smoothed",
    "optimum",
    "optimum_low",
    "optimum_high",
    "parameters_per_member",
)


def draw(results: list[tuple[str, xr.Dataset]]) -> Figure:
    """Return the figure for results of the capacity probe, by the name of the run."""
    by_size = sorted(results, key=lambda one: float(one[1]["parameters_per_member"]))
    for name, result in by_size:
        available.lams(result, "error_mean", f"{name}: nothing is trained yet.")
    lams = np.unique(np.concatenate([result[names.LAM].values for _, result in results]))
    sizes = np.array([float(result["parameters_per_member"]) for _, result in results])
    sizes = sizes[np.isfinite(sizes)]
    several = len(results) > 1 and len(sizes) > 0
    figure, axes = panels.in_rows(1 + several, 2.6, share=False, least=style.APART)
    for i, (name, result) in enumerate(by_size):
        look = style.run_line(i, len(by_size))
        draw_on(result, lams, axes[0], **look, label=_label(name, result))
        if several:
            _draw_optimum(result, lams, axes[1], **look)
    style.legend_of(figure)
    if several:
        axes[1].set(xscale="log", xlabel="Parameters of a member", ylabel=r"Best $\lambda$")
        axes[1].set_yticks(np.arange(len(lams)), [f"{lam:g}" for lam in lams])
        axes[1].set_ylim(-0.4, len(lams) - 0.6)
        axes[1].xaxis.set_minor_formatter(NullFormatter())
        # Whole decades, so that there are two labels at least.
        ends = np.floor(np.log10(sizes.min())), np.log10(sizes.max()) // 1 + 1
        axes[1].set_xlim(*(10.0**end for end in ends))
    return figure


def draw_on(result: xr.Dataset, lams: np.ndarray, ax: Axes, **look: Any) -> None:
    """Draw one run's test error against λ on the axes that the caller gives.

    Args:
        result: error_mean, error_se and error_smoothed (lam, split), and optimum… (split).
        lams: All λs of the figure, ascending; they are spaced evenly.
        ax: Where to draw.
        look: Colour, marker and label.
    """
    on_test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    at = np.searchsorted(lams, on_test[names.LAM].values)
    mean, se = 100 * on_test["error_mean"].values, 100 * on_test["error_se"].values
    bars = np.where(np.isfinite(se), se, 0.0)
    ax.errorbar(at, mean, yerr=bars, markersize=3, capsize=2, **look)
    smooth = 100 * on_test["error_smoothed"].values
    ax.plot(at, smooth, color=look["color"], linestyle=":", linewidth=0.9)
    mark_optimum(on_test, float(np.nanmin(mean)), lams, ax, **look)
    style.lam_axis(ax, lams)
    ax.set(ylabel="Test error of the ensemble (%)")


def _draw_optimum(result: xr.Dataset, lams: np.ndarray, ax: Axes, **look: Any) -> None:
    """Draw the best λ of one run with its interval, if its members' size is known."""
    on_test = result.sel({names.SPLIT: names.TEST})
    size, best = float(result["parameters_per_member"]), float(on_test["optimum"])
    if not (np.isfinite(size) and np.isfinite(best)):
        return
    at = np.searchsorted(lams, [best, best, best])
    if np.isfinite(on_test["optimum_low"]):
        at[1:] = np.searchsorted(lams, [on_test["optimum_low"], on_test["optimum_high"]])
    bars = [[at[0] - at[1]], [at[2] - at[0]]]
    ax.errorbar([size], [at[0]], yerr=bars, markersize=6, capsize=3, **look | {"linestyle": ""})


def _label(name: str, result: xr.Dataset) -> str:
    size = float(result["parameters_per_member"])
    text = f"{size:,.0f}" if np.isfinite(size) else "unknown"
    return f"{name}: {result.attrs['members']} × {text} parameters"
