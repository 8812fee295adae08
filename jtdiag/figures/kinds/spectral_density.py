"""Spectral density of the Hessian of the joint loss by the weights, for each λ.

The share of eigenvalues by decade, on an axis that is logarithmic to both sides of 0; the shade
is one standard error over start vectors. A tall peak at 0 is the directions that do nothing; what
lies to the left of it is negative curvature, what lies far to the right is steep. The first trial
is drawn.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, style

NEEDS = "conditioning"
USES = ("density", "density_se")
SMALLEST_DECADE = -3
"""The probe takes eigenvalues nearer to 0 than ten to this power for 0."""
LEAST = 1e-6
"""Densities below this are not drawn."""


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the conditioning probe.

    Raises:
        ProbeError: if the run has kept no checkpoint.
    """
    one = available.lams(result.isel({names.TRIAL: trial}), "density", available.NO_CHECKPOINTS)
    figure = style.figure(2.9)
    draw_on(one, figure.add_subplot())
    style.legend_of(figure)
    return figure


def draw_on(one: xr.Dataset, ax: Axes) -> None:
    """Draw density (lam, eigenvalue) with its standard error on the axes that the caller gives."""
    at = _decades(one["eigenvalue"].values)
    seen = np.zeros(len(at), dtype=bool)
    for lam in one[names.LAM].values:
        lane = one.sel({names.LAM: lam})
        mean = lane["density"].transpose("eigenvalue").values
        error = np.nan_to_num(lane["density_se"].transpose("eigenvalue").values)
        seen |= mean > LEAST
        look = style.lam_line(lam)
        ax.plot(at, np.maximum(mean, LEAST / 10), **look, markevery=12, label=style.lam_text(lam))
        low, high = (np.maximum(mean + sign * error, LEAST / 10) for sign in (-1, 1))
        ax.fill_between(at, low, high, color=look["color"], alpha=0.25, linewidth=0)
    ax.set(yscale="log", ylim=(LEAST, 10), xlabel="Eigenvalue", ylabel="Share by decade")
    _label(ax)
    if seen.any():
        ax.set_xlim(at[seen][0] - 0.3, at[seen][-1] + 0.3)


def _decades(eigenvalues: np.ndarray) -> np.ndarray:
    """Return eigenvalues in decades from the smallest that is told from 0, odd about 0."""
    return np.asarray(np.arcsinh(eigenvalues / (2 * 10.0**SMALLEST_DECADE)) / np.log(10))


def _label(ax: Axes) -> None:
    """Name the decades on both sides of 0."""
    powers = range(SMALLEST_DECADE + 1, 5)
    right = [(_decades(np.array(10.0**power)), f"$10^{{{power}}}$") for power in powers]
    left = [(-place, f"$-10^{{{power}}}$") for (place, _), power in zip(right, powers, strict=True)]
    ticks = [*reversed(left), (0.0, "0"), *right]
    ax.set_xticks([float(place) for place, _ in ticks], [text for _, text in ticks])
