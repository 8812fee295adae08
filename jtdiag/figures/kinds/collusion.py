"""Whether diversity is knowledge: three marks of collusion, at the epoch that validation chose.

First: on test, loss of the ensemble, diversity, and diversity without constant offsets, against λ.
Where diversity soars and the loss does not fall, members collude. Second: rise of the test loss
when a share of the members, drawn anew for every example, is dropped; dashed is what the diversity
alone predicts. Third: the ensemble's loss on test minus that in training. Means and standard errors
over trials. Compare Jeffares et al. 2023.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, panels, style

NEEDS = "collusion"
USES = (
    "ensemble_loss",
    "diversity",
    "debiased_diversity",
    "drop_rise",
    "predicted_rise",
    "generalisation_gap",
)
LINES = {
    "ensemble_loss": ("ensemble's loss", style.ENSEMBLE, "-"),
    "diversity": ("diversity", style.MEMBER, "-"),
    "debiased_diversity": ("without offsets", style.LEADER, "--"),
}


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the collusion probe; without outputs, two panels of it."""
    on_test = result.sel({names.SPLIT: [names.TEST]})
    on_test = available.lams(on_test, "ensemble_loss", "Nothing of the run is trained yet.")
    on_test = on_test.sel({names.SPLIT: names.TEST})
    drops = [draw_drops] if (on_test["predicted_rise"] > 0).any() else []
    drawn = [draw_levels, *drops, draw_gap]
    figure, axes = panels.in_rows(len(drawn), 2.4, share=False, least=style.APART)
    for draw_panel, ax in zip(drawn, axes, strict=True):
        draw_panel(on_test, ax)
    style.legend_of(figure)
    return figure


def draw_levels(on_test: xr.Dataset, ax: Axes) -> None:
    """Draw losses and diversities (lam, trial) against λ on the axes that the caller gives."""
    for name, (label, colour, dash) in LINES.items():
        if on_test[name].notnull().any():
            _over_lams(on_test[name], ax, color=colour, linestyle=dash, label=label)
    style.plain_log(ax)
    ax.set_ylabel("Nats, on test")


def draw_drops(on_test: xr.Dataset, ax: Axes) -> None:
    """Draw rises (lam, trial, dropped), measured and predicted, on the axes that are given."""
    share = 100 * on_test["dropped"].values
    for lam in on_test[names.LAM].values:
        at = on_test.sel({names.LAM: lam}).mean(names.TRIAL)
        measured, predicted = (
            at[name].where(at["predicted_rise"] > 0).values
            for name in ("drop_rise", "predicted_rise")
        )
        look = style.lam_mark(float(lam))
        ax.plot(share, measured, **look, label=style.lam_text(lam))
        ax.plot(share, predicted, "--", color=look["color"], linewidth=0.8)
    ax.plot([], [], "--", color=style.QUIET, linewidth=0.8, label="predicted rise")
    ax.set_yscale("log")
    ax.set(xlabel="Members dropped (%)", ylabel="Rise of the loss (nats)")
    ax.set_xticks(share)


def draw_gap(on_test: xr.Dataset, ax: Axes) -> None:
    """Draw the generalisation gap (lam, trial) against λ on the axes that the caller gives."""
    _over_lams(on_test["generalisation_gap"], ax, color=style.ENSEMBLE)
    ax.axhline(0, color=style.QUIET, linestyle=":", linewidth=0.8)
    ax.set_ylabel("Test − training loss (nats)")


def _over_lams(values: xr.DataArray, ax: Axes, **look: str) -> None:
    """Draw means and standard errors over trials against λ, evenly spaced."""
    lams = values[names.LAM].values
    at = np.arange(len(lams))
    known = values.notnull().sum(names.TRIAL)
    se = values.std(names.TRIAL, ddof=1) / np.sqrt(known) if values.sizes[names.TRIAL] > 1 else None
    bars = None if se is None else se.where(known > 1, 0).values
    mean = values.mean(names.TRIAL).values
    ax.errorbar(at, mean, yerr=bars, marker="o", markersize=3, capsize=2, **look)  # type: ignore[arg-type]
    style.lam_axis(ax, lams)
