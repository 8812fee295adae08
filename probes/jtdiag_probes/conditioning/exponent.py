"""How fast a condition number grows as λ tends to 1: κ ~ (1−λ)^−p, with an interval for p."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.floating]

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """A fitted exponent p with its interval of confidence, NaN where nothing can be fitted."""

    value: float
    low: float
    high: float


def fit(lam: Floats, kappa: Floats) -> Exponent:
    """Fit log κ = a − p log(1−λ) by least squares, with Student's interval for p.

    Args:
        lam: λ of each point, (points,); those at 1 are left out.
        kappa: κ of each point; those that are not finite are left out.

    Returns:
        p, and an interval at 95 % that takes the points as independent and scattered about one
        line; infinite for two λ without repeats, NaN for fewer than two λ.
    """
    known = (lam < 1) & np.isfinite(kappa) & (kappa > 0)
    at, value = -np.log(1 - lam[known]), np.log(kappa[known])
    if len(np.unique(at)) < 2:
        return Exponent(value=np.nan, low=np.nan, high=np.nan)
    line = stats.linregress(at, value)
    freedom = len(at) - 2
    if freedom == 0:
        return Exponent(value=float(line.slope), low=-np.inf, high=np.inf)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * line.stderr)
    slope = float(line.slope)
    return Exponent(value=slope, low=slope - half, high=slope + half)
