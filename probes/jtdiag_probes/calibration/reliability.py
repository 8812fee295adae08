"""How far stated confidence lies from accuracy, of one predictor.

All functions take the logits (n, K) and classes (n,) of one predictor, or what is made of them,
and work in float64. Confidence is the largest probability; an example is right when its class has
it. Sources: Guo et al. 2017 (expected calibration error, temperature), Kumar et al. 2019 (the
debiased estimate), Brier 1950.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

Floats = NDArray[np.floating]
Classes = NDArray[np.integer]

COOLEST, HOTTEST = 0.01, 100.0
"""Between these a temperature is sought."""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Examples in groups of similar confidence, (B,) each; NaN where a group is empty."""

    count: Floats
    confidence: Floats
    """Mean confidence."""
    accuracy: Floats
    """Fraction right."""
    doubt: Floats
    """Variance of the mean of (right − confidence), from its spread in the group; NaN for one."""
    by_chance: Floats
    """Variance that the accuracy would have if every confidence were true."""


def confidence(logits: Floats) -> Floats:
    """Return the largest probability of each example, (n,), from 1/K to 1."""
    return np.asarray(softmax(logits, axis=-1).max(-1))


def brier_score(logits: Floats, target: Classes) -> float:
    """Return the mean of Σ_k (q_k − [k is the class])², 0 to 2 (Brier 1950)."""
    q = softmax(logits, axis=-1)
    right = np.take_along_axis(q, target[:, None], axis=-1)[:, 0]
    return float(((q**2).sum(-1) - 2 * right + 1).mean())


def equal_width(values: Floats, bins: int) -> NDArray[np.intp]:
    """Return the bin of each confidence, (n,): bin b is (b/B, (b+1)/B]."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], values)


def equal_mass(values: Floats, bins: int) -> NDArray[np.intp]:
    """Return the bin of each confidence, (n,), by rank: sizes differ by one at most."""
    rank = np.empty(len(values), dtype=np.intp)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    return rank * bins // max(len(values), 1)


def in_bins(values: Floats, right: NDArray[np.bool_], bin_of: NDArray[np.intp], bins: int) -> Bins:
    """Return counts, means and variances of confidences (n,) and of what was right (n,)."""

    def total(summand: Floats) -> Floats:
        return np.bincount(bin_of, summand, minlength=bins).astype(np.float64)

    count = np.bincount(bin_of, minlength=bins).astype(np.float64)
    off = right - values
    with np.errstate(invalid="ignore", divide="ignore"):  # an empty bin has no means
        mean = total(off) / count
        spread = total((off - mean[bin_of]) ** 2) / (count - 1)
        return Bins(
            count=count,
            confidence=total(values) / count,
            accuracy=total(right.astype(np.float64)) / count,
            doubt=spread / count,
            by_chance=total(values * (1 - values)) / count**2,
        )


def calibration_error(bins: Bins) -> float:
    """Return Σ_b (n_b/n) |accuracy − confidence|, 0 to 1: the ECE of Guo et al. 2017, Eq. 3.

    Never negative and so too large by noise alone; see `error_by_chance`.
    """
    return float(np.nansum(bins.count * np.abs(bins.accuracy - bins.confidence)) / _examples(bins))


def error_by_chance(bins: Bins) -> float:
    """Return the ECE to be expected if every confidence were true, 0 to 1.

    The mean of |normal noise| of each bin's own variance: √(2/π) σ.
    """
    noise = np.sqrt(2 / np.pi * bins.by_chance)
    return float(np.nansum(bins.count * noise) / _examples(bins))


def squared_error(bins: Bins) -> float:
    """Return Σ_b (n_b/n) [(accuracy − confidence)² − its variance], which may be negative.

    Unbiased for each bin of two examples or more; bins of one are left out. Where the confidences
    of a bin are equal, this is the debiased estimator of Kumar et al. 2019 (Section 4), whose
    variance is accuracy·(1 − accuracy)/(n_b − 1); else theirs overlooks that confidences vary.
    """
    kept = bins.count > 1
    if not kept.any():
        return np.nan
    square = (bins.accuracy - bins.confidence) ** 2 - bins.doubt
    return float((bins.count * square)[kept].sum() / bins.count[kept].sum())


def temperature(logits: Floats, target: Classes) -> float:
    """Return the T > 0 at which logits/T have the lowest loss (Guo et al. 2017, Section 4.2).

    The loss is convex in 1/T; its derivative's zero is sought for T from 0.01 to 100, and a bound
    is returned where the loss falls beyond it. NaN for logits that are not finite.
    """
    if not np.isfinite(logits).all() or len(target) == 0:
        return np.nan
    shifted = logits - logits.max(-1, keepdims=True)
    chosen = float(np.take_along_axis(shifted, target[:, None], axis=-1).mean())
    low, high = np.log(COOLEST), np.log(HOTTEST)
    if _slope(low, shifted, chosen) <= 0:
        return COOLEST
    if _slope(high, shifted, chosen) >= 0:
        return HOTTEST
    # As arguments: brentq makes a cycle of its function, which would keep what that has caught.
    return float(np.exp(brentq(_slope, low, high, args=(shifted, chosen), xtol=1e-10)))


def _slope(log_t: float, shifted: Floats, chosen: float) -> float:
    """Return the derivative of the mean loss by 1/T, for logits (n, K) of at most 0.

    Args:
        log_t: Log of the temperature.
        shifted: Logits minus the largest of each example.
        chosen: Mean of those of the right classes.
    """
    weight = np.exp(shifted * np.exp(-log_t))  # 1 at the largest logit, never more
    mean = np.einsum("nk,nk->n", weight, shifted) / weight.sum(-1)
    return float(mean.mean() - chosen)


def loss(logits: Floats, target: Classes) -> float:
    """Return the mean of −log q(class), in nats."""
    log_q = log_softmax(logits, axis=-1)
    return float(-np.take_along_axis(log_q, target[:, None], axis=-1).mean())


def _examples(bins: Bins) -> float:
    return float(bins.count.sum()) or np.nan
