"""Test accuracy of the ensemble when members are faulty or bits of their weights flip."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.figures.kinds.accuracy_against_dropped import marker_spacing

TITLES = {
    "zero": "no output",
    "stuck": "constant output",
    "random": "random output",
    "noisy": "added noise",
    "scaled": r"logits $\times\ 10$",
    "flipped": "sign flipped",
}
"""Panel titles by kind of fault."""
BIT_FLIPS = {
    "bit_flip_accuracy": "bit flips",
    "bit_flip_accuracy_guarded": "bit flips,\noutliers excluded",
}
"""Panel titles by variable."""


def draw(results: Results) -> Figure:
    """Draw the result of the robustness probe of one run.

    Raises:
        ProbeError: if the run stores no outputs on test.
    """
    [(_, result)] = results
    measured = available.lams(result, "fault_accuracy_mean", available.NO_OUTPUTS)
    flips = {n: t for n, t in BIT_FLIPS.items() if measured[f"{n}_mean"].notnull().any()}
    count = len(TITLES) + len(flips)
    figure, axes = panels.in_rows(count, 1.7, share=False)
    for panel, (fault, title) in zip(axes, TITLES.items(), strict=False):
        draw_fault(measured, fault, panel)
        panel.set_title(title)
    for panel, (name, title) in zip(axes[len(TITLES) :], flips.items(), strict=True):
        draw_bit_flips(measured, name, panel)
        panel.set_title(title)
    for panel in panels.leftmost(axes):
        panel.set_ylabel("Test accuracy (%)")
    style.legend(figure)
    return figure


def draw_fault(result: xr.Dataset, fault: str, ax: Axes) -> None:
    """Draw accuracy against the number of members with one kind of fault."""
    _draw_lines(result.sel(fault=fault), "fault_accuracy", names.FAULTY, ax)
    ax.set(xlabel="Faulty members", ylim=(0, 100))
    ax.set_xlim(0, result[names.FAULTY].values[-1])
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def draw_bit_flips(result: xr.Dataset, name: str, ax: Axes) -> None:
    """Draw accuracy against the rate of bit flips, on a logarithmic axis."""
    _draw_lines(result.sel(rate=result["rate"] > 0), name, "rate", ax)
    ax.set(xscale="log", xlabel="Bit-flip rate", ylim=(0, 100))
    ax.set_xticks([1e-8, 1e-6, 1e-4])


def _draw_lines(result: xr.Dataset, name: str, dim: str, ax: Axes) -> None:
    """Draw one line with its band for each λ, along one dimension."""
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam})
        x, means = at_lam[dim].values, error_bars.of_result(at_lam, name)
        line = style.lam_marker(lam)
        ax.plot(x, means[0], **line, markevery=marker_spacing(x), label=style.lam_text(lam))
        error_bars.fill(ax, np.asarray(x), means, line["color"])


FIGURE = FigureKind(
    name="accuracy-against-faults",
    needs="robustness",
    uses=(
        "fault_accuracy",
        "fault_accuracy_mean",
        "bit_flip_accuracy",
        "bit_flip_accuracy_mean",
        "bit_flip_accuracy_guarded",
        "bit_flip_accuracy_guarded_mean",
    ),
    optional=tuple(
        f"{name}_{end}" for name in ("fault_accuracy", *BIT_FLIPS) for end in ("low", "high")
    ),
    caption=(
        "Test accuracy of the ensemble with faulty members, for each λ. "
        "First six panels: a number of random members have the fault named in the title and are "
        "still averaged with the others. Last two panels, for runs that store checkpoints: each "
        "bit of the weights of all members flips with the given probability; in the last one, "
        "members with implausibly large logits are excluded. Means over repeats and trials; bands "
        "show 95 % intervals over trials, none for a single trial."
    ),
    draw=draw,
)
