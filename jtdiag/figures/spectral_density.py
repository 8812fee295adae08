"""Spectral density of the Hessian of the joint loss by the weights, for each λ.

The share of eigenvalues by decade, on an axis that is logarithmic to both sides of 0; the shade
is one standard error over start vectors. A tall peak at 0 is the directions that do nothing; what
lies to the left of it is negative curvature, what lies far to the right is steep. The first trial
is drawn.
"""

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import style

NEEDS = "conditioning"
SMALLEST_DECADE = -3
"""The probe takes eigenvalues nearer to 0 than ten to this power for 0."""
LEAST = 1e-6
"""Densities below this are not drawn."""


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the conditioning probe."""
    one = result.isel({names.TRIAL: trial}).sortby(names.LAM)
    figure = Figure(figsize=(style.WIDTH, 2.9), layout="constrained")
    draw_on(one, figure.add_subplot())
    return figure


def draw_on(one: xr.Dataset, ax: Axes) -> None:
    """Draw density (lam, eigenvalue) with its standard error on the axes that the caller gives."""
    lams = [float(lam) for lam in one[names.LAM].values]
    at = _decades(one["eigenvalue"].values)
    seen = np.zeros(len(at), dtype=bool)
    for lam, color in zip(lams, colours(len(lams)), strict=True):
        lane = one.sel({names.LAM: lam})
        mean = lane["density"].transpose("eigenvalue").values
        error = np.nan_to_num(lane["density_se"].transpose("eigenvalue").values)
        if np.isnan(mean).all():
            continue
        seen |= mean > LEAST
        ax.plot(at, np.maximum(mean, LEAST / 10), color=color, label=style.lam_text(lam))
        low, high = (np.maximum(mean + sign * error, LEAST / 10) for sign in (-1, 1))
        ax.fill_between(at, low, high, color=color, alpha=0.25, linewidth=0)
    ax.set(yscale="log", ylim=(LEAST, 10), xlabel="Eigenvalue", ylabel="Share by decade")
    _label(ax)
    if seen.any():
        ax.set_xlim(at[seen][0] - 0.3, at[seen][-1] + 0.3)
        ax.legend(loc="upper left", fontsize=7)
    else:
        ax.annotate("no checkpoint kept", (0.5, 0.5), xycoords="axes fraction", ha="center")


def colours(count: int) -> list[tuple[float, float, float, float]]:
    """Return a colour for each λ in ascending order, from blue to yellow, never too light."""
    return [colormaps["viridis"](0.9 * i / max(1, count - 1)) for i in range(count)]


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
