"""Test accuracy of the ensemble against faults of its members, for each λ.

The first six panels: so many random members have the fault that the title names, and are averaged
with the others all the same. The last two: bits of all weights of all members flip at a rate. Means
over repeats and trials, with one standard error over trials to either side.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import style
from jtdiag.figures.accuracy_against_dropped import measured, with_band

NEEDS = "robustness"
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
    "bit_flip_accuracy_guarded": "bits flip, absurd logits\nleft out",
}


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the robustness probe.

    Raises:
        ProbeError: if nothing was measured.
    """
    known = measured(result, "fault_accuracy_mean")
    figure = Figure(figsize=(style.WIDE, 3.9), layout="constrained")
    axes = figure.subplots(2, 4, sharey=True)
    for panel, (fault, title) in zip(axes.flat, TITLES.items(), strict=False):
        draw_fault(known, fault, panel)
        panel.set_title(title)
    for panel, (name, title) in zip(axes.flat[6:], BIT_FLIPS.items(), strict=True):
        draw_bit_flips(known, name, panel)
        panel.set_title(title)
    for panel in axes[:, 0]:
        panel.set_ylabel("Test accuracy (%)")
    lines = axes[0, 0].get_lines()
    figure.legend(lines, [line.get_label() for line in lines], loc="outside upper center", ncols=8)
    return figure


def draw_fault(result: xr.Dataset, fault: str, ax: Axes) -> None:
    """Draw accuracy against the number of members with one fault."""
    _lines(result.sel(fault=fault), "fault_accuracy", names.FAULTY, ax)
    ax.set(xlabel="Faulty members", ylim=(0, 100))
    ax.set_xlim(0, result[names.FAULTY].values[-1])


def draw_bit_flips(result: xr.Dataset, name: str, ax: Axes) -> None:
    """Draw accuracy against the rate of flipped bits, on a log scale."""
    _lines(result.sel(rate=result["rate"] > 0), name, "rate", ax)
    ax.set(xscale="log", xlabel="Rate of flipped bits", ylim=(0, 100))
    ax.set_xticks([1e-8, 1e-6, 1e-4])
    if result[f"{name}_mean"].isnull().all():
        ax.text(0.5, 0.5, "no checkpoints", transform=ax.transAxes, ha="center", fontsize=8)


def _lines(result: xr.Dataset, name: str, along: str, ax: Axes) -> None:
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        x, mean = at[along].values, 100 * at[f"{name}_mean"].values
        colour = style.lam_colour(lam)
        ax.plot(x, mean, color=colour, label=style.lam_text(lam))
        with_band(ax, np.asarray(x), mean, 100 * at[f"{name}_se"].values, colour)
