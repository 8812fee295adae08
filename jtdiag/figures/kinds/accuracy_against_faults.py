"""Test accuracy of the ensemble against faults of its members, for each λ.

The first six panels: so many random members have the fault that the title names, and are averaged
with the others all the same. The last two, where checkpoints are kept: bits of all weights of all
members flip at a rate. Means over repeats and trials, with one standard error over trials to either
side.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, panels, style
from jtdiag.figures.kinds.accuracy_against_dropped import spaced, with_band

NEEDS = "robustness"
USES = (
    "fault_accuracy_mean",
    "fault_accuracy_se",
    "bit_flip_accuracy_mean",
    "bit_flip_accuracy_se",
    "bit_flip_accuracy_guarded_mean",
    "bit_flip_accuracy_guarded_se",
)
TITLES = {
    "zero": "silent",
    "stuck": "stuck at one answer",
    "random": "random",
    "noisy": "noisy",
    "scaled": r"$10 \times$ too loud",
    "flipped": "wrong sign",
}
BIT_FLIPS = {
    "bit_flip_accuracy": "bits flip",
    "bit_flip_accuracy_guarded": "bits flip, absurd\nlogits left out",
}


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the robustness probe.

    Raises:
        ProbeError: if nothing was measured.
    """
    drawn = available.lams(result, "fault_accuracy_mean", available.NO_OUTPUTS)
    flips = {n: t for n, t in BIT_FLIPS.items() if drawn[f"{n}_mean"].notnull().any()}
    count = len(TITLES) + len(flips)
    figure, axes = panels.in_rows(count, 1.7, share=False)
    for panel, (fault, title) in zip(axes, TITLES.items(), strict=False):
        draw_fault(drawn, fault, panel)
        panel.set_title(title)
    for panel, (name, title) in zip(axes[len(TITLES) :], flips.items(), strict=True):
        draw_bit_flips(drawn, name, panel)
        panel.set_title(title)
    for panel in panels.at_the_left(axes):
        panel.set_ylabel("Test accuracy (%)")
    style.legend_of(figure)
    return figure


def draw_fault(result: xr.Dataset, fault: str, ax: Axes) -> None:
    """Draw accuracy against the number of members with one fault."""
    _lines(result.sel(fault=fault), "fault_accuracy", names.FAULTY, ax)
    ax.set(xlabel="Faulty members", ylim=(0, 100))
    ax.set_xlim(0, result[names.FAULTY].values[-1])
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def draw_bit_flips(result: xr.Dataset, name: str, ax: Axes) -> None:
    """Draw accuracy against the rate of flipped bits, on a log scale."""
    _lines(result.sel(rate=result["rate"] > 0), name, "rate", ax)
    ax.set(xscale="log", xlabel="Rate of flipped bits", ylim=(0, 100))
    ax.set_xticks([1e-8, 1e-6, 1e-4])


def _lines(result: xr.Dataset, name: str, along: str, ax: Axes) -> None:
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        x, mean = at[along].values, 100 * at[f"{name}_mean"].values
        look = style.lam_mark(lam)
        ax.plot(x, mean, **look, markevery=spaced(x), label=style.lam_text(lam))
        with_band(ax, np.asarray(x), mean, 100 * at[f"{name}_se"].values, look["color"])
