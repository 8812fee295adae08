"""Calibration measures of one predictor.

Functions take the logits (n, K) and classes (n,) of one predictor, or quantities derived from
them, and compute in float64. Confidence is the largest probability; a prediction is correct if
that is the probability of the target class. References: Guo et al. 2017 (expected calibration
error, temperature scaling), Kumar et al. 2019 (debiased estimate), Brier 1950.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

Floats = NDArray[np.floating]
Classes = NDArray[np.integer]

COOLEST, HOTTEST = 0.01, 100.0
"""Bounds of a fitted temperature."""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Statistics of examples binned by confidence, (B,) each; NaN where a bin is empty."""

    count: Floats
    confidence: Floats
    """Mean confidence."""
    accuracy: Floats
    """Fraction of correct predictions."""
    variance: Floats
    """Estimated variance of the mean of (correct − confidence); NaN for a single example."""
    by_chance: Floats
    """Variance of the accuracy for a perfectly calibrated predictor."""


def confidence(logits: Floats) -> Floats:
    """Return the largest probability of each example, (n,), from 1/K to 1."""
    return np.asarray(softmax(logits, axis=-1).max(-1))


def brier_score(logits: Floats, target: Classes) -> float:
    """Return the mean of Σ_k (q_k − [k is the target])², 0 to 2 (Brier 1950)."""
    q = softmax(logits, axis=-1)
    right = np.take_along_axis(q, target[:, None], axis=-1)[:, 0]
    return float(((q**2).sum(-1) - 2 * right + 1).mean())


def equal_width(values: Floats, bins: int) -> NDArray[np.intp]:
    """Return the bin of each confidence, (n,): bin b is (b/B, (b+1)/B]."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], values)


def equal_mass(values: Floats, bins: int) -> NDArray[np.intp]:
    """Return the bin of each confidence, (n,), by rank; bin sizes differ by at most one."""
    rank = np.empty(len(values), dtype=np.intp)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    return rank * bins // max(len(values), 1)


def in_bins(values: Floats, right: NDArray[np.bool_], bin_of: NDArray[np.intp], bins: int) -> Bins:
    """Return the statistics of confidences (n,) and correct predictions (n,) by bin."""

    def total(summand: Floats) -> Floats:
        return np.bincount(bin_of, summand, minlength=bins).astype(np.float64)

    count = np.bincount(bin_of, minlength=bins).astype(np.float64)
    gap = right - values
    with np.errstate(invalid="ignore", divide="ignore"):  # empty bins are NaN
        mean = total(gap) / count
        spread = total((gap - mean[bin_of]) ** 2) / (count - 1)
        return Bins(
            count=count,
            confidence=total(values) / count,
            accuracy=total(right.astype(np.float64)) / count,
            variance=spread / count,
            by_chance=total(values * (1 - values)) / count**2,
        )


def calibration_error(bins: Bins) -> float:
    """Return Σ_b (n_b/n) |accuracy − confidence|, 0 to 1: the ECE of Guo et al. 2017, Eq. 3.

    It is never negative, so noise alone makes it positive; see `error_by_chance`.
    """
    return float(np.nansum(bins.count * np.abs(bins.accuracy - bins.confidence)) / _examples(bins))


def error_by_chance(bins: Bins) -> float:
    """Return the expected ECE of a perfectly calibrated predictor, 0 to 1.

    In each bin this is the mean of |normal noise| with the variance of the bin, √(2/π) σ.
    """
    noise = np.sqrt(2 / np.pi * bins.by_chance)
    return float(np.nansum(bins.count * noise) / _examples(bins))


def squared_error(bins: Bins) -> float:
    """Return Σ_b (n_b/n) [(accuracy − confidence)² − its variance], which can be negative.

    Unbiased for each bin of at least two examples; bins with one example are left out. If all
    confidences in a bin are equal, this is the debiased estimator of Kumar et al. 2019 (Section 4),
    whose variance is accuracy·(1 − accuracy)/(n_b − 1). Otherwise it also accounts for the spread
    of confidences within the bin.
    """
    usable = bins.count > 1
    if not usable.any():
        return np.nan
    square = (bins.accuracy - bins.confidence) ** 2 - bins.variance
    return float((bins.count * square)[usable].sum() / bins.count[usable].sum())


def temperature(logits: Floats, target: Classes) -> float:
    """Fit the temperature T > 0 that minimizes the loss of logits/T (Guo et al. 2017, Section 4.2).

    The loss is convex in 1/T. The root of its derivative is searched for T from 0.01 to 100; if the
    minimum is outside, as for a predictor without errors, the result is NaN, as it is for logits
    that are not finite.
    """
    if not np.isfinite(logits).all() or len(target) == 0:
        return np.nan
    shifted = logits - logits.max(-1, keepdims=True)
    of_target = float(np.take_along_axis(shifted, target[:, None], axis=-1).mean())
    low, high = np.log(COOLEST), np.log(HOTTEST)
    if _slope(low, shifted, of_target) <= 0 or _slope(high, shifted, of_target) >= 0:
        return np.nan
    # Arguments rather than a closure: brentq creates a reference cycle that would keep it alive.
    return float(np.exp(brentq(_slope, low, high, args=(shifted, of_target), xtol=1e-10)))


def _slope(log_t: float, shifted: Floats, of_target: float) -> float:
    """Return the derivative of the mean loss with respect to 1/T, for shifted logits (n, K).

    Args:
        log_t: Log of the temperature.
        shifted: Logits minus the largest logit of each example.
        of_target: Mean of the shifted logits of the target classes.
    """
    weight = np.exp(shifted * np.exp(-log_t))  # at most 1
    mean = np.einsum("nk,nk->n", weight, shifted) / weight.sum(-1)
    return float(mean.mean() - of_target)


def loss(logits: Floats, target: Classes) -> float:
    """Return the mean of −log q(target), in nats."""
    log_q = log_softmax(logits, axis=-1)
    return float(-np.take_along_axis(log_q, target[:, None], axis=-1).mean())


def _examples(bins: Bins) -> float:
    return float(bins.count.sum()) or np.nan
