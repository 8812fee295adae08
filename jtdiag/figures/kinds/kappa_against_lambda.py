"""How ill-conditioned the joint loss is against λ: by the outputs (left), by the weights (right).

Left: the condition number of the Hessian by the outputs. Right: the largest curvature by the
weights along what members have in common, over the largest along what they differ in.

Points are lanes at their last kept epoch; bars on the left reach from the lower to the upper
quartile of the examples. The grey line is the left quantity at outputs that stay the same while λ
moves, and the dashed one grows as 1/(1−λ). Hollow points at λ = 1 leave out the directions that
have no curvature there; without them κ is infinite. Compare Webb et al. 2020, section 5.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, panels, style

NEEDS = "conditioning"
USES = (
    "kappa",
    "kappa_q25",
    "kappa_q75",
    "weight_anisotropy",
    "grid_kappa",
    "grid_lam",
    "exponent",
    "exponent_low",
    "exponent_high",
)
LEFT_OUT = 0.7
"""Decades of 1/(1−λ) between the largest λ below 1 and the place of λ = 1."""


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the conditioning probe: the panels that have points.

    Raises:
        ProbeError: if the run has kept nothing to measure.
    """
    drawn = [
        draw
        for name, draw in (("kappa", draw_outputs), ("weight_anisotropy", draw_weights))
        if np.isfinite(result[name].sel({names.LAM: result[names.LAM] < 1})).any()
    ]
    if not drawn:
        raise ProbeError(
            f"At no λ below 1 is a condition number known. {available.NO_OUTPUTS} The weights' "
            "needs checkpoints of the last epoch too."
        )
    figure, axes = panels.in_rows(len(drawn), 2.6, share=False, least=style.APART)
    for draw_panel, ax in zip(drawn, axes, strict=True):
        draw_panel(result, ax)
    style.legend_of(figure)
    return figure


def draw_outputs(result: xr.Dataset, ax: Axes) -> None:
    """Draw κ⁺ by the outputs, with its curve at the same outputs, on the given axes."""
    lams, lanes = result[names.LAM].values, _at_the_end(result["kappa"])
    low, high = _at_the_end(result["kappa_q25"]), _at_the_end(result["kappa_q75"])
    _prepare(ax, lams, "By the outputs")
    curve = result["grid_kappa"].values
    known = np.isfinite(curve) & (_place(result["grid_lam"].values, lams) <= _place_of_one(lams))
    if known.any():
        at = _place(result["grid_lam"].values[known], lams)
        ax.plot(at, curve[known], color=style.QUIET, label="at the same outputs")
    with np.errstate(invalid="ignore"):  # inf less inf: lanes beyond float64 have no point
        bars = np.stack([lanes - low, high - lanes])
    _points(ax, lams, lanes, bars)
    _finish(ax, lams, lanes, r"$\kappa^{+}$, median example")
    _exponent(result.sel(quantity="kappa"), ax)


def draw_weights(result: xr.Dataset, ax: Axes) -> None:
    """Draw how much steeper consensus is by the weights on the axes that the caller gives."""
    lams, lanes = result[names.LAM].values, _at_the_end(result["weight_anisotropy"])
    _prepare(ax, lams, "By the weights")
    _points(ax, lams, lanes, None)
    _finish(ax, lams, lanes, "Consensus / disagreement")
    _exponent(result.sel(quantity="weight_anisotropy"), ax)


def _exponent(fit: xr.Dataset, ax: Axes) -> None:
    """Write a fitted exponent and its interval where no points are."""
    if np.isfinite(float(fit["exponent"])):
        value, low, high = (float(fit[n]) for n in ("exponent", "exponent_low", "exponent_high"))
        text = rf"$\sim (1-\lambda)^{{-p}},\ p = {value:.2f}$"
        interval = f"\n(95 %: {low:.2f} to {high:.2f})" if np.isfinite(low) else ""
        ax.annotate(
            text + interval,
            (0.03, 0.98),
            xycoords="axes fraction",
            va="top",
            fontsize=style.small(),
        )


def _at_the_end(values: xr.DataArray) -> NDArray[np.floating]:
    """Return (lam, trial): each lane's last epoch with a number, where there are epochs."""
    if names.EPOCH not in values.dims:
        return values.transpose(names.LAM, names.TRIAL).values
    rows = values.transpose(names.EPOCH, names.LAM, names.TRIAL).values
    found = np.full(rows.shape[1:], np.nan)
    for row in rows:
        found = np.where(np.isnan(row), found, row)
    return found


def _place(lam: NDArray[np.floating], lams: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return where λ stands: decades of 1/(1−λ), and λ = 1 beyond the largest other."""
    below = lam < 1
    return np.where(below, -np.log10(np.where(below, 1 - lam, 1)), _place_of_one(lams))


def _place_of_one(lams: NDArray[np.floating]) -> float:
    largest = max((float(lam) for lam in lams if lam < 1), default=0.0)
    return -float(np.log10(1 - largest)) + LEFT_OUT


def _prepare(ax: Axes, lams: NDArray[np.floating], title: str) -> None:
    ax.set(yscale="log", title=title, xlabel=r"$\lambda$")
    shown = sorted(float(lam) for lam in lams)
    at = _place(np.array(shown), lams)
    ax.set_xticks(at, [f"{lam:g}" for lam in shown])
    ax.set_xlim(min(at) - 0.15, _place_of_one(lams) + 0.15)
    ax.grid(visible=False, axis="x")


def _points(
    ax: Axes,
    lams: NDArray[np.floating],
    lanes: NDArray[np.floating],
    bars: NDArray[np.floating] | None,
) -> None:
    """Draw a point for each lane; trials stand side by side."""
    trials = lanes.shape[1]
    aside = 0.03 * (np.arange(trials) - (trials - 1) / 2)
    at = _place(lams, lams)[:, None] + aside
    for one in (False, True):
        here = np.isfinite(lanes) & ((lams == 1) == one)[:, None]
        if not here.any():
            continue
        spread = None if bars is None else np.where(np.isfinite(bars), bars, 0).clip(0)[:, here]
        ax.errorbar(
            at[here],
            lanes[here],
            yerr=spread,
            fmt="o",
            markersize=4,
            color=style.ENSEMBLE,
            markerfacecolor="white" if one else style.ENSEMBLE,
            elinewidth=0.7,
            label="null space left out" if one else "lanes",
        )


def _finish(ax: Axes, lams: NDArray[np.floating], lanes: NDArray[np.floating], label: str) -> None:
    ax.set_ylabel(label)
    below = np.isfinite(lanes) & (lams < 1)[:, None]
    places = np.broadcast_to(_place(lams, lams)[:, None], lanes.shape)
    lowest = float(places[below].min())
    start = float(np.median(lanes[below & (places == lowest)]))
    at = np.array([lowest, _place_of_one(lams)])
    ax.plot(at, start * 10 ** (at - lowest), "--", color=style.LEADER, label=r"$1/(1-\lambda)$")
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top * (top / bottom) ** 0.35)  # room for the exponent
