"""Whether diversity is knowledge: three marks of collusion, at the epoch that validation chose.

Left: on test, loss of the ensemble, diversity, and diversity without constant offsets, against λ.
Where diversity soars and the loss does not fall, members collude. Middle: rise of the test loss
when a share of the members, drawn anew for every example, is dropped; dashed is what the diversity
alone predicts. Right: the ensemble's loss on test minus that in training. Means and standard errors
over trials. Compare Jeffares et al. 2023.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import style

NEEDS = "collusion"
LINES = {
    "ensemble_loss": ("ensemble's loss", style.ENSEMBLE, "-"),
    "diversity": ("diversity", style.MEMBER, "-"),
    "debiased_diversity": ("without offsets", style.LEADER, "--"),
}


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the collusion probe."""
    on_test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    figure = Figure(figsize=(style.WIDE, 2.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_levels(on_test, left)
    draw_drops(on_test, middle)
    draw_gap(on_test, right)
    handles, labels = middle.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def draw_levels(on_test: xr.Dataset, ax: Axes) -> None:
    """Draw losses and diversities (lam, trial) against λ on the axes that the caller gives."""
    for name, (label, colour, dash) in LINES.items():
        if on_test[name].notnull().any():
            _over_lams(on_test[name], ax, color=colour, linestyle=dash, label=label)
    ax.set_yscale("log")
    ax.set_ylabel("nats, on test")
    ax.legend(loc="upper left", fontsize=7)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend


def draw_drops(on_test: xr.Dataset, ax: Axes) -> None:
    """Draw rises (lam, trial, dropped), measured and predicted, on the axes that are given."""
    share = 100 * on_test["dropped"].values
    for lam in on_test[names.LAM].values:
        at = on_test.sel({names.LAM: lam}).mean(names.TRIAL)
        measured, predicted = (
            at[name].where(at["predicted_rise"] > 0).values
            for name in ("drop_rise", "predicted_rise")
        )
        colour = style.lam_colour(float(lam))
        ax.plot(share, measured, "o-", color=colour, markersize=3, label=style.lam_text(lam))
        ax.plot(share, predicted, "--", color=colour, linewidth=0.8)
    ax.set_yscale("log")
    ax.set(xlabel="Members dropped (%)", ylabel="Rise of the loss (nats)")
    ax.set_xticks(share)


def draw_gap(on_test: xr.Dataset, ax: Axes) -> None:
    """Draw the generalisation gap (lam, trial) against λ on the axes that the caller gives."""
    _over_lams(on_test["generalisation_gap"], ax, color=style.ENSEMBLE)
    ax.axhline(0, color="#888888", linestyle=":", linewidth=0.8)
    ax.set_ylabel("Test loss − training loss (nats)")


def _over_lams(values: xr.DataArray, ax: Axes, **look: str) -> None:
    """Draw means and standard errors over trials against λ, evenly spaced."""
    lams = values[names.LAM].values
    at = np.arange(len(lams))
    known = values.notnull().sum(names.TRIAL)
    se = values.std(names.TRIAL, ddof=1) / np.sqrt(known) if values.sizes[names.TRIAL] > 1 else None
    bars = None if se is None else se.where(known > 1, 0).values
    mean = values.mean(names.TRIAL).values
    ax.errorbar(at, mean, yerr=bars, marker="o", markersize=3, capsize=2, **look)  # type: ignore[arg-type]
    ax.set_xticks(at, [f"{lam:g}" for lam in lams])
    ax.set_xlabel(r"$\lambda$")
