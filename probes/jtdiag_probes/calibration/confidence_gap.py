"""Exact inference on mean confidence minus accuracy, the gap, from the examples of a test set.

Errors are independent from example to example, and a predictor that is calibrated is wrong on
example i with probability 1 − c_i, where c_i is its confidence. The number of errors then has a
Poisson-binomial distribution, which gives an exact test. Intervals invert that test: they contain
each shift β of the log odds for which the number of errors is plausible if the probability of an
error is σ(β − logit c_i), the "calibration in the large" of Cox (1958). Gaps are fractions.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import brentq
from scipy.special import expit, logit

from jtdiag_probes.calibration.reliability import Floats

FARTHEST = 40.0
"""Log odds; a larger shift makes every prediction certain in float64."""
STEP = 0.25
"""First step of the search for an end of an interval, in log odds; each next one is doubled."""
GROUP = 64
"""Examples whose errors are added one by one, before distributions are convolved by FFT."""
SMALLEST = 1e-12
"""Confidences are taken to be at most 1 − this, so that their log odds are finite."""


def gap(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return mean confidence minus accuracy; positive if a predictor is overconfident."""
    return float(confidence.mean() - right.mean())


def interval(
    confidence: Sequence[Floats], right: Sequence[NDArray[np.bool_]], tail: float
) -> tuple[float, float]:
    """Return the ends of an exact interval of the mean gap of one or more predictors.

    Predictors may err on the same examples: the tail probabilities of several are averaged and
    doubled, which holds for any dependence between them (Rüschendorf 1982).

    Args:
        confidence: (n,) of each predictor.
        right: (n,) of each predictor.
        tail: Probability on each side, such as 0.025.
    """
    odds = [logit(np.clip(c, SMALLEST, 1 - SMALLEST)) for c in confidence]
    errors = [int((~r).sum()) for r in right]

    def excess(shift: float, upper: bool) -> float:
        tails = [error_tail(expit(shift - o), e, upper) for o, e in zip(odds, errors, strict=True)]
        return min(1.0, float(np.mean(tails)) * min(2, len(tails))) - tail

    def mean_gap(shift: float) -> float:
        return float(np.mean([(expit(shift - o) - expit(-o)).mean() for o in odds]))

    # P(N ≥ errors) increases with the shift and P(N ≤ errors) decreases; both are 1 at one end.
    return mean_gap(_root(excess, upper=True)), mean_gap(_root(excess, upper=False))


def _root(excess: Callable[[float, bool], float], *, upper: bool) -> float:
    """Return the shift at which a tail has the wanted probability; infinite if none has it."""

    def rising(shift: float) -> float:
        return excess(shift, upper) if upper else -excess(shift, upper)

    step = STEP if rising(0) < 0 else -STEP
    near, far = 0.0, step
    while rising(far) * step < 0:
        if abs(far) > FARTHEST:
            return float(np.copysign(np.inf, step))
        step *= 2
        near, far = far, far + step
    return float(brentq(rising, min(near, far), max(near, far), xtol=1e-4))


def error_tail(p: Floats, errors: int, upper: bool) -> float:
    """Return P(N ≥ errors), or P(N ≤ errors), for N errors with probabilities p (n,)."""
    distribution = poisson_binomial(p)
    inside = distribution[errors:] if upper else distribution[: errors + 1]
    return float(np.clip(inside.sum(), 0, 1))


def poisson_binomial(p: Floats) -> Floats:
    """Return the probabilities (n+1,) of 0 … n events with probabilities p (n,).

    Groups of examples are added one example at a time; their distributions are convolved in pairs.
    """
    groups = -(-len(p) // GROUP)
    by_group = np.zeros((GROUP, groups))
    by_group.ravel()[: len(p)] = p
    rows = np.zeros((groups, GROUP + 1))
    rows[:, 0] = 1
    for column in by_group:
        rows[:, 1:] = rows[:, 1:] * (1 - column[:, None]) + rows[:, :-1] * column[:, None]
        rows[:, 0] *= 1 - column
    while len(rows) > 1:
        if len(rows) % 2:
            nothing = np.zeros_like(rows[:1])
            nothing[0, 0] = 1
            rows = np.concatenate([rows, nothing])
        length = 2 * rows.shape[1] - 1
        padded = next_fast_len(length, real=True)
        spectrum = rfft(rows, padded)
        rows = irfft(spectrum[::2] * spectrum[1::2], padded)[:, :length]
    return np.maximum(rows[0, : len(p) + 1], 0)
