"""Whether diversity reflects what members have learned, or collusion between them."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results

LINES = {
    "ensemble_loss": ("ensemble loss", style.ENSEMBLE, "-"),
    "diversity": ("diversity", style.MEMBER, "-"),
    "debiased_diversity": ("diversity without offsets", style.LEADER, "--"),
}
"""Label, color and line style by variable."""


def draw(results: Results) -> Figure:
    """Draw the result of the collusion probe of one run; without outputs, two panels.

    Raises:
        ProbeError: if nothing was measured on test.
    """
    [(_, result)] = results
    test = available.measured_on_test(result, "ensemble_loss").sel({names.SPLIT: names.TEST})
    drops = [draw_drops] if (test["predicted_rise"] > 0).any() else []
    parts = [draw_levels, *drops, draw_gap]
    figure, axes = panels.in_rows(len(parts), 2.4, share=False, min_width=style.OWN_AXES)
    for draw_panel, ax in zip(parts, axes, strict=True):
        draw_panel(test, ax)
    style.panel_legends(figure.axes)
    return figure


def draw_levels(test: xr.Dataset, ax: Axes) -> None:
    """Draw losses and diversities (lam, trial) against λ."""
    for name, (label, color, dash) in LINES.items():
        if test[name].notnull().any():
            _draw_means(test[name], ax, color=color, linestyle=dash, label=label)
    style.plain_log(ax)
    ax.set_ylabel("On test (nats)")


def draw_drops(test: xr.Dataset, ax: Axes) -> None:
    """Draw the measured and predicted increase in loss (lam, trial, dropped)."""
    dropped, first = np.unique(test["dropped_members"].values, return_index=True)
    share = 100 * dropped / test.attrs["members"]
    test = test.isel({names.DROPPED: first})  # few members: several fractions drop as many
    for lam in test[names.LAM].values:
        mean = test.sel({names.LAM: lam}).mean(names.TRIAL)
        measured, predicted = (
            mean[name].where(mean["predicted_rise"] > 0).values
            for name in ("drop_rise", "predicted_rise")
        )
        line = style.lam_marker(float(lam))
        ax.plot(share, measured, **line, label=style.lam_text(lam))
        marker = "_" if len(share) == 1 else ""  # a line through one point is not visible
        ax.plot(share, predicted, "--", marker=marker, color=line["color"], linewidth=0.8)
    ax.plot([], [], "--", color=style.QUIET, linewidth=0.8, label="predicted from diversity")
    ax.set_yscale("log")
    ax.set(xlabel="Members dropped (%)", ylabel="Increase in loss (nats)")
    ax.set_xticks(share, [f"{percent:.3g}" for percent in share])


def draw_gap(test: xr.Dataset, ax: Axes) -> None:
    """Draw the generalization gap (lam, trial) against λ."""
    _draw_means(test["generalisation_gap"], ax, color=style.ENSEMBLE)
    ax.axhline(0, color=style.QUIET, linestyle=":", linewidth=0.8)
    ax.set_ylabel("Test − training loss (nats)")


def _draw_means(values: xr.DataArray, ax: Axes, **line: Any) -> None:
    """Draw means over trials with 95 % intervals against λ, evenly spaced."""
    lams = values[names.LAM].values
    means = error_bars.over_trials(values)
    error_bars.draw(ax, np.arange(len(lams)), means, marker="o", **line)
    style.lam_axis(ax, lams)


FIGURE = FigureKind(
    name="collusion",
    needs="collusion",
    uses=(
        "ensemble_loss",
        "diversity",
        "debiased_diversity",
        "dropped_members",
        "drop_rise",
        "predicted_rise",
        "generalisation_gap",
    ),
    caption=(
        "Three indicators of collusion between members. "
        "First panel: ensemble loss and diversity on the test split, and diversity without "
        "constant offsets of the members, against λ; if diversity grows much faster than the loss "
        "falls, members may collude. Second panel, for runs that store outputs: increase in the "
        "test loss when a fraction of the members is dropped at random for each example; dashed "
        "lines show the increase predicted from diversity alone. Third panel: test loss minus "
        "training loss of the ensemble. Means over trials at the epoch chosen on the "
        "validation split; bars show 95 % intervals, none for a single trial. "
        "Compare Jeffares et al. (2023)."
    ),
    draw=draw,
)
