"""Fit how fast a condition number grows as λ tends to 1: κ ~ (1−λ)^−p."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.floating]

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """A fitted exponent p with its confidence interval; NaN if it cannot be fitted."""

    value: float
    low: float
    high: float


def fit(lam: Floats, kappa: Floats) -> Exponent:
    """Fit log κ = a − p log(1−λ) by least squares, with Student's confidence interval for p.

    Args:
        lam: λ of each point, (points,); points at λ = 1 are ignored.
        kappa: κ of each point; values that are not finite are ignored.

    Returns:
        p and its 95 % confidence interval, for independent points with equal scatter about a line.
        The interval is infinite for two points; all are NaN for fewer than two λ.
    """
    usable = (lam < 1) & np.isfinite(kappa) & (kappa > 0)
    x, y = -np.log(1 - lam[usable]), np.log(kappa[usable])
    if len(np.unique(x)) < 2:
        return Exponent(value=np.nan, low=np.nan, high=np.nan)
    line = stats.linregress(x, y)
    freedom = len(x) - 2
    if freedom == 0:
        return Exponent(value=float(line.slope), low=-np.inf, high=np.inf)
    half_width = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * line.stderr)
    slope = float(line.slope)
    return Exponent(value=slope, low=slope - half_width, high=slope + half_width)
