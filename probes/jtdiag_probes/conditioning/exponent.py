"""Fit how fast a condition number grows as λ tends to 1: κ ~ (1−λ)^−p."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag import stats

Floats = NDArray[np.floating]

FEWEST_LAMBDAS = 3
"""λs below 1 from which an exponent is fitted: any two points are on a line."""


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """A fitted exponent p with its confidence interval; NaN where there is none."""

    value: float
    low: float
    high: float
    lambdas: int
    """λs below 1 at which κ is finite in every trial."""
    trials: int
    """Trials with a fit of their own."""


def fit(lam: Floats, kappa: Floats) -> Exponent:
    """Fit log κ = a − p log(1−λ) by least squares to every trial, and average p over trials.

    Lanes of one trial share their seed, and points about a line need not scatter independently, so
    trials are the independent units: the interval is Student's over their exponents.

    Args:
        lam: (L,), in [0, 1]; λ = 1 is ignored.
        kappa: (L, T), by λ and trial. A trial without any number is ignored, and a λ at which
            some other trial is not finite and positive.

    Returns:
        p and its 95 % confidence interval. All are NaN for fewer than three λ; there is no
        interval for a single trial.
    """
    below = np.asarray(lam) < 1
    kappa = kappa[below][:, ~np.isnan(kappa[below]).all(0)]
    usable = (np.isfinite(kappa) & (kappa > 0)).all(1) & (kappa.shape[1] > 0)
    x = -np.log(1 - np.asarray(lam)[below][usable])
    lambdas, trials = len(np.unique(x)), kappa.shape[1]
    p = stats.Interval(np.nan, np.nan, np.nan)
    if lambdas >= FEWEST_LAMBDAS:
        p = stats.mean_interval(np.polyfit(x, np.log(kappa[usable]), 1)[0])
    return Exponent(value=p.mean, low=p.low, high=p.high, lambdas=lambdas, trials=trials)
