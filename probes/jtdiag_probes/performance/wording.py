"""Every sentence of the probes performance and capacity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jtdiag.stats import Interval, listed, plus_minus, signed

MOST_LISTED = 4
"""λs that a sentence gives with their intervals; of more, it gives the range of differences."""
FEW_TRIALS = 2
"""Trials up to which a sentence says that they are few."""
ENDS = {0.0: "independent training", 1.0: "end-to-end training"}


class Percent(NamedTuple):
    """An error in percent with its standard error over trials; NaN for a single trial."""

    mean: float
    se: float

    def __str__(self) -> str:
        return plus_minus(self.mean, self.se, unit="%")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the test error at one λ compares with the lowest."""

    lam: float
    points: Interval
    """How much higher the error is, in percentage points."""
    trials: int
    """Paired trials behind it."""


# --- performance ---------------------------------------------------------------------------------


def best_lambda(
    best: float,
    error: Percent,
    others: Sequence[Comparison],
    *,
    measure: str = "",
    learning_rates: Mapping[float, float] | None = None,
) -> str:
    """Return which λ has the lowest test error, and which others are significantly worse.

    Args:
        best: The λ with the lowest mean test error.
        error: There.
        others: Every other λ that is measured.
        measure: What the error is, where it is not the fraction of wrong predictions.
        learning_rates: By λ; they are named where they differ.
    """
    unit = f" ({measure})" if measure else ""
    if not others:
        return f"λ = {best:g}: the test error of the ensemble{unit} is {error}."
    sentences = [f"λ = {best:g} has the lowest test error of the ensemble{unit}, {error}."]
    trials = max(other.trials for other in others)
    worse = [other for other in others if _worse(other)]
    similar = [other for other in others if not _worse(other)]
    if trials < 2:
        untested = listed([f"λ = {o.lam:g} ({_name(o)}{_points(o)})" for o in others])
        sentences.append(f"One trial is too few to test differences: {untested}.")
    else:
        if worse:
            sentences.append(f"{_compared(worse)} significantly worse.")
        if similar:
            sentences.append(f"{_compared(similar)} not significantly different.")
        if similar and trials <= FEW_TRIALS:
            sentences.append(f"With only {trials} trials, small differences cannot be detected.")
    return " ".join([*sentences, *_learning_rates(learning_rates or {})])


def best_lambda_headline(best: float, error: Percent, others: Sequence[Comparison]) -> str:
    """Return the best λ in a few words, as certain as the comparisons allow."""
    if not others:
        return f"the test error is {error} at λ = {best:g}"
    similar = [other.lam for other in others if not _worse(other)]
    if not similar:
        return f"λ = {best:g} is best, with a test error of {error}"
    lowest = f"λ = {best:g} has the lowest test error, {error}"
    if max(other.trials for other in others) < 2:
        return f"{lowest}, in a single trial"
    where = f"{len(similar)} other λs" if len(similar) > 3 else f"λ = {_lams(similar)}"
    return f"{lowest}, not significantly lower than at {where}"


def diversity(
    lam: float, loss: float, gain: float, gain_se: float, ensemble: Percent, member: Percent
) -> str:
    """Return how much lower the ensemble's test loss is than the mean loss of its members.

    Args:
        lam: The λ.
        loss: Test loss of the ensemble, in nats.
        gain: Mean loss of the members minus that, in nats.
        gain_se: Its standard error over trials; NaN for a single trial.
        ensemble: Test error of the ensemble.
        member: Of the median member.
    """
    text = (
        f"λ = {lam:g}: the test loss of the ensemble is {loss:.3f} nats, "
        f"{plus_minus(gain, gain_se, '.3f', 'nats')} below the mean loss of its members (their "
        "diversity)"
    )
    if not (math.isfinite(ensemble.mean) and math.isfinite(member.mean)):
        return f"{text}."
    return f"{text}; its test error is {ensemble}, that of the median member {member}."


def _worse(other: Comparison) -> bool:
    return other.points.significant and other.points.low > 0


def _compared(others: Sequence[Comparison]) -> str:
    """Return λs with their differences as the subject of a sentence, and its verb."""
    return f"{_differences(others)} {'is' if len(others) == 1 else 'are'}"


def _differences(others: Sequence[Comparison]) -> str:
    if len(others) <= MOST_LISTED:
        return listed([_difference(other) for other in others])
    means = [other.points.mean for other in others]
    span = f"{signed(min(means))} to {signed(max(means))} points"
    return f"λ = {_lams([other.lam for other in others])} ({span})"


def _difference(other: Comparison) -> str:
    return f"λ = {other.lam:g} ({_name(other)}{difference(other.points, other.trials)})"


def _name(other: Comparison) -> str:
    return f"{ENDS[other.lam]}, " if other.lam in ENDS else ""


def _points(other: Comparison) -> str:
    return f"{signed(other.points.mean)} points"


def difference(points: Interval, trials: int) -> str:
    """Return a difference in points, with its interval or why it has none.

    Args:
        points: The difference, in percentage points.
        trials: Paired trials behind it.
    """
    mean = f"{signed(points.mean)} points"
    if points.exists:
        return f"{mean}, 95 % interval {signed(points.low)} to {signed(points.high)}"
    return f"{mean} in each of {trials} trials" if trials > 1 else f"{mean} in 1 trial"


def _lams(lams: Sequence[float]) -> str:
    return listed([f"{lam:g}" for lam in lams])


def _learning_rates(rates: Mapping[float, float]) -> list[str]:
    """Name the learning rates where they differ among λs."""
    lams: dict[float, list[float]] = {}
    for lam, rate in rates.items():
        lams.setdefault(rate, []).append(lam)
    if len(lams) < 2:
        return []
    named = "; ".join(f"{rate:g} at λ = {_lams(at_rate)}" for rate, at_rate in lams.items())
    return [f"Learning rates differ ({named}), so differences may be due to them."]


# --- capacity ------------------------------------------------------------------------------------


def optimal_lambda(
    best: float,
    error: Percent,
    low: float,
    high: float,
    trials: int,
    size: float,
    *,
    branched: bool = False,
) -> str:
    """Return the best λ for members of this size, and how certain it is.

    Args:
        best: The λ with the lowest mean test error.
        error: There.
        low: Lower end of the best λ's 95 % interval; NaN where there is none.
        high: Its upper end.
        trials: Those that are resampled.
        size: Parameters of one member, or of the network; NaN if unknown.
        branched: Whether members are branches of one network.
    """
    if math.isfinite(low):
        place = f"{low:g}" if low == high else f"between {low:g} and {high:g}"
        certainty = f"in 95 % of bootstrap resamples of {trials} trials, the best λ is {place}"
    else:
        certainty = "too few trials for an interval of the best λ"
    parameters = f"{size:,.0f} parameter{'' if size == 1 else 's'}"
    count = (
        f"{'The network has' if branched else 'Each member has'} {parameters}."
        if math.isfinite(size)
        else "The number of parameters per member is unknown: the run has no checkpoints and its "
        "data are not available."
    )
    return f"λ = {best:g} has the lowest test error, {error}; {certainty}. {count}"


def selected_on_validation(lam: float, error: Percent) -> str:
    """Return the λ with the lowest validation error, and its test error."""
    return f"Selected on validation: λ = {lam:g}, with a test error of {error}."
