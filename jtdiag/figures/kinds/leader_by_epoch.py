"""How early the final leader can be predicted."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jtdiag import names
from jtdiag.figures import available, panels, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.figures.kinds.errors_by_epoch import mark_early_epoch
from jtdiag.stats import clopper_pearson


def draw(results: Results) -> Figure:
    """Draw the result of the dominance probe of one run.

    Raises:
        ProbeError: if no lane has completed all epochs.
    """
    [(_, result)] = results
    done = result[["leader_is_final"]].where(result["done"] > 0)
    message = "No lane has completed all epochs, so there is no final leader yet."
    is_final = available.lams(done, "leader_is_final", message)["leader_is_final"]
    is_final = is_final.transpose(names.LAM, names.TRIAL, names.EPOCH)
    parts = [
        (style.lam_text(float(lam)), style.lam_colour(float(lam)), is_final.sel({names.LAM: lam}))
        for lam in is_final[names.LAM].values
    ]
    pooled = is_final.stack(lane=(names.LAM, names.TRIAL), create_index=False)
    parts.append((r"all $\lambda$", style.ENSEMBLE, pooled.transpose("lane", names.EPOCH)))
    figure, axes = panels.in_rows(len(parts), 1.6)
    for panel, (title, color, lanes) in zip(axes, parts, strict=True):
        draw_on(lanes, 1 / result.sizes[names.MEMBER], color, panel)
        mark_early_epoch(result, panel)
        panel.set_title(f"{title} ($n = {int(lanes.notnull().any(names.EPOCH).sum())}$)")
    for panel in panels.leftmost(axes):
        panel.set_ylabel("Leads at the end (%)")
    for panel in panels.bottommost(axes):
        panel.set_xlabel("Epoch")
    return figure


def draw_on(lanes: xr.DataArray, chance: float, color: str, ax: Axes) -> None:
    """Draw the fraction of lanes in which the leader at an epoch is the final one.

    Args:
        lanes: (lanes, epoch), 1 where the leader is the final one, 0 where not; NaN for lanes
            that have not completed all epochs.
        chance: Fraction at chance level.
        color: Color of the line and its band.
        ax: Axes to draw on.
    """
    epochs, values = lanes[names.EPOCH].values, lanes.values
    count = (~np.isnan(values)).sum(0)
    agreeing = np.nansum(values, axis=0)
    low, high = clopper_pearson(agreeing, count)
    fraction = np.where(count > 0, agreeing / np.maximum(count, 1), np.nan)
    ax.fill_between(epochs, 100 * low, 100 * high, color=color, alpha=0.2, linewidth=0)
    ax.plot(epochs, 100 * fraction, color=color, marker=".", markersize=3.5, clip_on=False)
    ax.axhline(100 * chance, color=style.QUIET, linestyle="--", linewidth=0.8)
    ax.set(xlim=(0, max(1, epochs[-1])), ylim=(0, 103))
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


FIGURE = FigureKind(
    name="leader-by-epoch",
    needs="dominance",
    uses=("leader_is_final", "done"),
    caption=(
        "How often the member with the lowest training error at an epoch is also the final leader. "
        "One panel per λ, with n trials, and one for all λs and trials together; only lanes (one "
        "λ, one trial) that have completed all epochs count. Bands show exact 95 % confidence "
        "intervals, dashed lines chance level, dotted lines the epoch of the early prediction. "
        "Lanes of the same trial start from the same weights and are not independent, so that the "
        "interval for all λs is too narrow. Compare Webb et al. (2020), Fig. 6."
    ),
    draw=draw,
)
