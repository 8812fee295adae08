"""How well a score separates two groups: areas, limits and rates, with their intervals.

A higher score means alarm. A score of −∞ never alarms. Intervals resample whole clusters
(configurations) with replacement, because the lanes of one are not independent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DRAWS = 2000
"""Bootstrap samples behind each interval."""
_SEED = 20611


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval; NaN if not defined."""

    value: float
    low: float
    high: float


def as_score(values: Floats, *, low_alarms: bool = False) -> Floats:
    """Return values (N,) as scores: low ones alarm if asked, and NaN never does."""
    signed = -values if low_alarms else values
    return np.where(np.isnan(values), -np.inf, signed)


def area(score: Floats, positive: Flags, weight: Floats | None = None) -> Floats:
    """Return the area under the ROC curve: P(score of a positive > of a negative) + ½ P(equal).

    Args:
        score: (N,)
        positive: (N,)
        weight: (..., N), how often each counts; by default once.

    Returns:
        (...), in [0, 1]; NaN where a group is empty.
    """
    w = np.ones(len(score)) if weight is None else weight
    above, below = score[positive][:, None], score[~positive]
    wins = (above > below) + 0.5 * (above == below)
    of_positives, of_negatives = w[..., positive], w[..., ~positive]
    pairs = of_positives.sum(-1) * of_negatives.sum(-1)
    won = (of_positives @ wins * of_negatives).sum(-1)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)


def resampled(cluster: NDArray[np.str_], draws: int = DRAWS) -> Floats:
    """Return how often each lane counts in bootstrap samples of clusters, (draws, N)."""
    _, index = np.unique(cluster, return_inverse=True)
    clusters = int(index.max()) + 1
    rng = np.random.default_rng(_SEED)
    counts = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    return counts[:, index].astype(float)


def estimate(value: float, samples: Floats) -> Estimate:
    """Return a number with the middle 95 % of its bootstrap samples, those that have one."""
    finite = samples[np.isfinite(samples)]
    if finite.size == 0:
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(finite, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def area_estimate(score: Floats, positive: Flags, cluster: NDArray[np.str_]) -> Estimate:
    """Return the area with its interval."""
    if positive.all() or not positive.any():
        return Estimate(np.nan, np.nan, np.nan)
    samples = area(score, positive, resampled(cluster))
    return estimate(float(area(score, positive)), samples)


def best_limit(score: Floats, positive: Flags, weight: Floats | None = None) -> Floats:
    """Return the score from which to alarm: where recall minus false-alarm rate is largest.

    That is Youden's index. The limit is halfway between two scores that occur; of several equally
    good ones the highest, which alarms least.

    Args:
        score: (N,)
        positive: (N,)
        weight: (..., N), how often each counts; by default once.

    Returns:
        (...); NaN where a group is empty.
    """
    w = np.ones(len(score)) if weight is None else weight
    finite = np.unique(score[np.isfinite(score)])
    if finite.size < 2:
        return np.full(w.shape[:-1], np.nan)
    limits = (finite[1:] + finite[:-1]) / 2
    alarm = (score >= limits[:, None]).astype(float)

    def share(of: Flags) -> Floats:
        total = w[..., of].sum(-1)[..., None]
        return np.where(total > 0, w[..., of] @ alarm[:, of].T / np.maximum(total, 1e-9), np.nan)

    gain = share(positive) - share(~positive)
    best = gain >= gain.max(-1, keepdims=True) - 1e-9
    last = limits.size - 1 - np.argmax(best[..., ::-1], -1)
    return np.where(best.any(-1), limits[last], np.nan)


def limit_estimate(score: Floats, positive: Flags, cluster: NDArray[np.str_]) -> Estimate:
    """Return the best limit with its interval: how much it depends on the lanes that set it."""
    samples = best_limit(score, positive, resampled(cluster))
    return estimate(float(best_limit(score, positive)), samples)


@dataclass(frozen=True)
class Rates:
    """Precision, recall and false-alarm rate of alarms."""

    alarms: int
    positives: int
    negatives: int
    precision: Estimate
    """Of the alarms, how many are right."""
    recall: Estimate
    """Of the positives, how many are alarmed."""
    false_alarms: Estimate
    """Of the negatives, how many are alarmed."""


def rates(alarm: Flags, positive: Flags, cluster: NDArray[np.str_]) -> Rates:
    """Return precision, recall and false-alarm rate of alarms (N,), with their intervals."""
    weight = resampled(cluster) if len(alarm) else np.ones((1, 0))

    def share(of: Flags, hit: Flags) -> Estimate:
        value = float((hit & of).sum() / of.sum()) if of.any() else float("nan")
        total = weight @ of
        some = np.where(total > 0, total, 1.0)
        return estimate(value, np.where(total > 0, weight @ (hit & of) / some, np.nan))

    return Rates(
        alarms=int(alarm.sum()),
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        precision=share(alarm, positive),
        recall=share(positive, alarm),
        false_alarms=share(~positive, alarm),
    )
