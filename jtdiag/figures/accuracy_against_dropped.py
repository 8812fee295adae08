"""Test accuracy of the ensemble against the number of members dropped, for each λ.

Lines: random members are missing, mean over repeats and trials, with one standard error over
trials to either side. Dotted: the lowest accuracy of all subsets that were tried, a search for
the worst case. Compare Webb et al. 2020, Figs. 7 and 8.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import style

NEEDS = "robustness"


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the robustness probe.

    Raises:
        ProbeError: if nothing was measured.
    """
    figure = Figure(figsize=(style.WIDTH, 3.0), layout="constrained")
    draw_on(measured(result, "accuracy_mean"), figure.add_subplot())
    figure.legend(loc="outside right center")
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw a line for each λ on the axes that the caller gives."""
    dropped = result[names.DROPPED].values
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        mean = 100 * at["accuracy_mean"].sel(subsets="shared").values
        error = 100 * at["accuracy_se"].sel(subsets="shared").values
        colour = style.lam_colour(lam)
        ax.plot(dropped, mean, color=colour, label=style.lam_text(lam))
        with_band(ax, dropped, mean, error, colour)
        ax.plot(dropped, 100 * at["accuracy_worst_mean"].values, ":", color=colour, linewidth=0.9)
    ax.plot([], [], ":", color="#666666", linewidth=0.9, label="worst found")
    ax.set(xlabel="Members dropped", ylabel="Test accuracy (%)")
    ax.set_xlim(0, max(1, dropped[-1]))
    from_a_round_number(ax)


def with_band(ax: Axes, x: np.ndarray, mean: np.ndarray, error: np.ndarray, colour: str) -> None:
    """Shade one standard error to either side of a line; nothing for a single trial."""
    if np.isfinite(error).any():
        ax.fill_between(x, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)


def from_a_round_number(ax: Axes) -> None:
    """Let the axis of percent begin at the multiple of ten below all that is drawn."""
    lowest = ax.dataLim.y0 if np.isfinite(ax.dataLim.y0) else 0.0
    ax.set_ylim(max(0.0, 10 * np.floor(lowest / 10)), 100)


def measured(result: xr.Dataset, name: str) -> xr.Dataset:
    """Return the λs, sorted, at which a variable was measured.

    Raises:
        ProbeError: if there are none.
    """
    known = result[name].notnull()
    lams = result[names.LAM].values[known.any([d for d in known.dims if d != names.LAM]).values]
    if lams.size == 0:
        raise ProbeError(
            'The run has kept no outputs on test to draw. Train with keep.outputs = ["best"] and '
            'keep.splits = ["test"] or more.'
        )
    return result.sel({names.LAM: np.sort(lams)})
