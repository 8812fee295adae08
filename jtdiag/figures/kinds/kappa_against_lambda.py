"""Condition number of the Hessian of the joint loss against λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, panels, style
from jtdiag.figures.contract import FigureKind, Results

Floats = NDArray[np.floating]
OFFSET = 0.7
"""Distance of λ = 1 from the largest λ below 1 on the horizontal axis, in decades of 1/(1−λ)."""


def draw(results: Results) -> Figure:
    """Draw the result of the conditioning probe of one run: the panels that have points.

    Raises:
        ProbeError: if no condition number at λ below 1 is finite.
    """
    [(_, result)] = results
    parts = [
        draw_panel
        for name, draw_panel in (("kappa", draw_outputs), ("weight_anisotropy", draw_weights))
        if np.isfinite(_last_values(result[name])[result[names.LAM].values < 1]).any()
    ]
    if not parts:
        raise ProbeError(_why_nothing_is_drawn(result))
    figure, axes = panels.in_rows(len(parts), 2.6, share=False, min_width=style.OWN_AXES)
    for draw_panel, ax in zip(parts, axes, strict=True):
        draw_panel(result, ax)
    style.legend(figure)
    return figure


def _why_nothing_is_drawn(result: xr.Dataset) -> str:
    below = result[["kappa", "weight_anisotropy"]].isel({names.LAM: result[names.LAM].values < 1})
    if below.notnull().to_array().any():
        return (
            "No condition number is finite at any λ below 1 at the last stored epoch: the members "
            "have diverged or are saturated. Plot a run that was trained with a lower train.lr."
        )
    if not (result[names.LAM] < 1).any():
        return "No condition number was measured at any λ below 1: the run has only λ = 1."
    return (
        f"No condition number was measured at any λ below 1. {available.NO_OUTPUTS} The Hessian "
        "with respect to weights also needs checkpoints of the last epoch."
    )


def draw_outputs(result: xr.Dataset, ax: Axes) -> None:
    """Draw κ⁺ with respect to outputs, and its curve for outputs that do not depend on λ."""
    lams, kappa = result[names.LAM].values, _last_values(result["kappa"])
    low, high = _last_values(result["kappa_q25"]), _last_values(result["kappa_q75"])
    _prepare(ax, lams, "Hessian w.r.t. outputs")
    curve, grid = result["grid_kappa"].values, _position(result["grid_lam"].values, lams)
    visible = np.isfinite(curve) & (grid <= _position_of_one(lams))
    if visible.any():
        ax.plot(grid[visible], curve[visible], color=style.QUIET, label="fixed outputs")
    with np.errstate(invalid="ignore"):  # inf − inf, for values beyond float64
        bars = np.stack([kappa - low, high - kappa])
    _draw_points(ax, lams, kappa, bars)
    _finish(ax, lams, kappa, r"$\kappa^{+}$, median example")
    _write_exponent(result.sel(quantity="kappa"), ax)


def draw_weights(result: xr.Dataset, ax: Axes) -> None:
    """Draw the ratio of consensus to disagreement curvature with respect to weights."""
    lams, ratio = result[names.LAM].values, _last_values(result["weight_anisotropy"])
    _prepare(ax, lams, "Hessian w.r.t. weights")
    _draw_points(ax, lams, ratio, None)
    _finish(ax, lams, ratio, "Consensus / disagreement")
    _write_exponent(result.sel(quantity="weight_anisotropy"), ax)


def _write_exponent(fit: xr.Dataset, ax: Axes) -> None:
    """Write the fitted exponent with its confidence interval in the upper left corner."""
    value, low, high = (float(fit[n]) for n in ("exponent", "exponent_low", "exponent_high"))
    if np.isfinite(value):
        text = rf"$\sim (1-\lambda)^{{-p}},\ p = {value:.2f}$"
        ends = f"{low:.2f} to {high:.2f}".replace("-", "\N{MINUS SIGN}")
        interval = f"\n(95 % CI: {ends})" if np.isfinite(low) else ""
        ax.annotate(
            text + interval,
            (0.03, 0.98),
            xycoords="axes fraction",
            va="top",
            fontsize=style.small(),
        )


def _last_values(values: xr.DataArray) -> Floats:
    """Return (lam, trial): the last value that is not NaN along epochs, if there are epochs."""
    if names.EPOCH not in values.dims:
        return values.transpose(names.LAM, names.TRIAL).values
    rows = values.transpose(names.EPOCH, names.LAM, names.TRIAL).values
    last = np.full(rows.shape[1:], np.nan)
    for row in rows:
        last = np.where(np.isnan(row), last, row)
    return last


def _position(lam: Floats, lams: Floats) -> Floats:
    """Return the position of λ on the axis: log10 of 1/(1−λ), with λ = 1 to the right."""
    below = lam < 1
    return np.where(below, -np.log10(np.where(below, 1 - lam, 1)), _position_of_one(lams))


def _position_of_one(lams: Floats) -> float:
    largest = max((float(lam) for lam in lams if lam < 1), default=0.0)
    return -float(np.log10(1 - largest)) + OFFSET


def _prepare(ax: Axes, lams: Floats, title: str) -> None:
    ax.set(yscale="log", title=title, xlabel=r"$\lambda$")
    ascending = np.sort(lams)
    positions = _position(ascending, lams)
    ax.set_xticks(positions, [style.lam_tick(lam) for lam in ascending])
    ax.set_xlim(min(positions) - 0.15, _position_of_one(lams) + 0.15)
    ax.grid(visible=False, axis="x")


def _draw_points(ax: Axes, lams: Floats, values: Floats, bars: Floats | None) -> None:
    """Draw a point for each λ and trial; trials are side by side."""
    trials = values.shape[1]
    offsets = 0.03 * (np.arange(trials) - (trials - 1) / 2)
    positions = _position(lams, lams)[:, None] + offsets
    for end_to_end in (False, True):
        points = np.isfinite(values) & ((lams == 1) == end_to_end)[:, None]
        if not points.any():
            continue
        lengths = None if bars is None else np.where(np.isfinite(bars), bars, 0).clip(0)[:, points]
        ax.errorbar(
            positions[points],
            values[points],
            yerr=lengths,
            fmt="o",
            markersize=4,
            color=style.ENSEMBLE,
            markerfacecolor="white" if end_to_end else style.ENSEMBLE,
            elinewidth=0.7,
            label="null space excluded" if end_to_end else "trials",
        )


def _finish(ax: Axes, lams: Floats, values: Floats, label: str) -> None:
    """Draw the reference line 1/(1−λ), label the axis, and make room for the exponent."""
    ax.set_ylabel(label)
    below = np.isfinite(values) & (lams < 1)[:, None]
    positions = np.broadcast_to(_position(lams, lams)[:, None], values.shape)
    lowest = float(positions[below].min())
    start = float(np.median(values[below & (positions == lowest)]))
    x = np.array([lowest, _position_of_one(lams)])
    ax.plot(x, start * 10 ** (x - lowest), "--", color=style.LEADER, label=r"$1/(1-\lambda)$")
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top * (top / bottom) ** 0.35)


FIGURE = FigureKind(
    name="kappa-against-lambda",
    needs="conditioning",
    uses=(
        "kappa",
        "kappa_q25",
        "kappa_q75",
        "weight_anisotropy",
        "grid_kappa",
        "grid_lam",
        "exponent",
        "exponent_low",
        "exponent_high",
    ),
    caption=(
        "Conditioning of the joint loss against λ. "
        "Left: condition number of the Hessian with respect to the outputs, median over examples; "
        "bars show the interquartile range over examples, the gray line the same quantity when "
        "outputs are held fixed while λ varies. Right: largest curvature with respect to the "
        "weights along directions that members share, divided by the largest curvature along "
        "directions in which they differ. Points are trials at the last epoch with stored data; "
        "dashed lines grow as 1/(1−λ). At λ = 1, hollow points exclude the directions without "
        "curvature, with which κ would be infinite. λs are spaced by log 1/(1−λ). Compare Webb et "
        "al. (2020), Section 5."
    ),
    draw=draw,
)
