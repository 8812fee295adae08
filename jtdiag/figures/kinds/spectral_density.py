"""Spectral density of the Hessian of the joint loss with respect to the weights."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, style
from jtdiag.figures.contract import FigureKind, Results

SMALLEST_DECADE = -3
"""log10 of the smallest eigenvalue that the probe distinguishes from 0."""
MIN_DENSITY = 1e-6
"""Lower limit of the axis."""


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the conditioning probe of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    by_lam = available.lams(result.isel({names.TRIAL: trial}), "density", available.NO_CHECKPOINTS)
    figure = style.figure(2.9)
    draw_on(by_lam, figure.add_subplot())
    style.legend(figure)
    return figure


def draw_on(by_lam: xr.Dataset, ax: Axes) -> None:
    """Draw the density (lam, eigenvalue) with its standard error."""
    x = _decades(by_lam["eigenvalue"].values)
    visible = np.zeros(len(x), dtype=bool)
    for lam in by_lam[names.LAM].values:
        lane = by_lam.sel({names.LAM: lam})
        mean = lane["density"].transpose("eigenvalue").values
        se = np.nan_to_num(lane["density_se"].transpose("eigenvalue").values)
        visible |= mean > MIN_DENSITY
        line = style.lam_line(lam)
        floor = MIN_DENSITY / 10
        ax.plot(x, np.maximum(mean, floor), **line, markevery=12, label=style.lam_text(lam))
        low, high = (np.maximum(mean + sign * se, floor) for sign in (-1, 1))
        ax.fill_between(x, low, high, color=line["color"], alpha=0.25, linewidth=0)
    ax.set(yscale="log", ylim=(MIN_DENSITY, 10), xlabel="Eigenvalue", ylabel="Density per decade")
    _set_ticks(ax)
    if visible.any():
        ax.set_xlim(x[visible][0] - 0.3, x[visible][-1] + 0.3)


def _decades(eigenvalues: np.ndarray) -> np.ndarray:
    """Return positions on an axis that is logarithmic in both directions and linear near 0."""
    return np.asarray(np.arcsinh(eigenvalues / (2 * 10.0**SMALLEST_DECADE)) / np.log(10))


def _set_ticks(ax: Axes) -> None:
    """Label 0 and the powers of ten on both sides of it."""
    powers = range(SMALLEST_DECADE + 1, 5)
    right = [(_decades(np.array(10.0**power)), f"$10^{{{power}}}$") for power in powers]
    left = [(-x, f"$-10^{{{power}}}$") for (x, _), power in zip(right, powers, strict=True)]
    ticks = [*reversed(left), (0.0, "0"), *right]
    ax.set_xticks([float(x) for x, _ in ticks], [text for _, text in ticks])


FIGURE = FigureKind(
    name="spectral-density",
    needs="conditioning",
    uses=("density", "density_se"),
    caption=(
        "Spectral density of the Hessian of the joint loss with respect to the weights, for each "
        "λ. "
        "Estimated by stochastic Lanczos quadrature; bands show ± SE over starting vectors. The "
        "horizontal axis is logarithmic on both sides of 0. The peak at 0 contains the directions "
        "without measurable curvature. First trial."
    ),
    draw=draw,
)
