"""Every sentence of the probes performance and capacity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jtdiag.names import lam_text
from jtdiag.stats import (
    LEAST_TRIALS,
    Interval,
    listed,
    mcnemar,
    signed,
    with_interval,
    with_power,
)

MOST_LISTED = 4
"""λs that a sentence gives with their intervals; of more, it gives the range of differences."""
ENDS = {0.0: "independent training", 1.0: "end-to-end training"}
INDEPENDENT = "independent training (λ = 0)"


@dataclass(frozen=True, kw_only=True)
class Error:
    """An error in percent, with intervals that include different sources of variation."""

    over_trials: Interval
    """For new trials, on the same test examples."""
    population: Interval
    """For new trials and new test examples; without ends where that is not known."""

    @property
    def short(self) -> str:
        """With the interval over trials, if it has one."""
        return with_interval(self.over_trials, unit="%")

    def __str__(self) -> str:
        both, trials = self.population, self.over_trials
        if not both.exists:
            return self.short
        ends = f"{both.low:.1f} to {both.high:.1f} %"
        if not trials.exists:
            return (
                f"{trials.mean:.1f} % (95 % interval for new test examples {ends}, without the "
                "variation of trials)"
            )
        return (
            f"{trials.mean:.1f} % (95 % interval over trials {trials.low:.1f} to "
            f"{trials.high:.1f} %; over trials and test examples {ends})"
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the test error at one λ compares with the lowest."""

    lam: float
    points: Interval
    """How much higher the error is, in percentage points."""
    trials: int
    """Paired trials behind it."""
    worse: bool = False
    """Whether it is significantly higher."""
    detectable: float = math.nan
    """Difference in points that these trials detect with a probability of 80 %; NaN if unknown."""
    layers_end_to_end: bool = True
    """Whether layers are trained end to end, so that this is what λ = 1 is."""


@dataclass(frozen=True, kw_only=True)
class EndToEnd:
    """How the test error of end-to-end training compares with that of independent training."""

    points: Interval
    """How much higher it is, in percentage points."""
    trials: int
    """Paired trials behind it, 1 or more."""
    detectable: float = math.nan
    """Difference in points that the test detects with a probability of 80 %; NaN if unknown."""
    wins: float = math.nan
    """Of one trial, the number of test examples on which only end-to-end training is right."""
    losses: float = math.nan
    """The reverse; both are NaN for several trials, or if outputs are not stored."""
    credit: str = ""
    """How layers are trained at both λs, such as "local, pred"; empty if end to end."""

    @property
    def kind(self) -> str:
        """What λ = 1 is called: training is end to end only if that of the layers is, too."""
        return "joint" if self.credit else "end-to-end"

    @property
    def joint(self) -> str:
        """The same as part of a sentence."""
        return f"{self.kind} training {'of the members ' if self.credit else ''}(λ = 1)"


# --- performance ---------------------------------------------------------------------------------

NOTHING_LEARNED = "the ensemble has not learned anything at the λ with the lowest test error"


def nothing_learned(error: Error, chance: float, *, measure: str = "") -> str:
    """Return that λs are not compared, since the ensemble has not learned anything at the best.

    Args:
        error: The lowest test error of the ensemble.
        chance: Error at chance level, in percent.
        measure: What the error is, where it is not the fraction of wrong predictions.
    """
    unit = f" ({measure})" if measure else ""
    return (
        f"λs are not compared: the ensemble has not learned anything, even where its test error"
        f"{unit} is lowest, {error} (chance level: {chance:.1f} %)."
    )


def best_lambda(
    best: float,
    error: Error,
    others: Sequence[Comparison],
    *,
    measure: str = "",
    learning_rates: Mapping[float, float] | None = None,
) -> str:
    """Return which λ has the lowest test error, which are not significantly worse, and which are.

    Args:
        best: The λ with the lowest mean test error.
        error: There.
        others: Every other λ that is measured.
        measure: What the error is, where it is not the fraction of wrong predictions.
        learning_rates: By λ; they are named where they differ.
    """
    unit = f" ({measure})" if measure else ""
    if not others:
        return f"λ = {lam_text(best)}: the test error of the ensemble{unit} is {error}."
    sentences = [f"λ = {lam_text(best)} has the lowest test error of the ensemble{unit}, {error}."]
    worse = [other for other in others if other.worse]
    similar = [other for other in others if not other.worse]
    if _trials(others) < LEAST_TRIALS:
        too_few = _too_few(_trials(others))
        sentences.append(f"{too_few} to test differences between λs: {_differences(others)}.")
        return " ".join([*sentences, *_learning_rates(learning_rates or {})])
    if similar:
        sentences.append(f"Not significantly different from the best: {_differences(similar)}.")
        sentences += _power(similar)
    if worse:
        verb = "is" if len(worse) == 1 else "are"
        sentences.append(f"{_differences(worse)} {verb} significantly worse.")
    return " ".join([*sentences, *_learning_rates(learning_rates or {})])


def best_lambda_headline(best: float, error: Error, others: Sequence[Comparison]) -> str:
    """Return the best λs in a few words, as certain as the comparisons allow."""
    if not others:
        return f"the test error is {error.short} at λ = {lam_text(best)}"
    similar = [other.lam for other in others if not other.worse]
    if not similar:
        return f"λ = {lam_text(best)} is best, with a test error of {error.short}"
    lowest = f"λ = {lam_text(best)} has the lowest test error, {error.short}"
    if _trials(others) < 2:
        return f"{lowest}, in a single trial"
    if _trials(others) < LEAST_TRIALS:
        return f"{lowest}, but {_trials(others)} trials are too few to say which λ is best"
    where = f"{len(similar)} other λs" if len(similar) > 3 else f"λ = {_lams(similar)}"
    return f"{lowest}, not significantly different from {where}"


def end_to_end(
    comparison: EndToEnd,
    *,
    measure: str = "",
    learning_rates: Mapping[float, float] | None = None,
) -> str:
    """Return whether end-to-end and independent training differ in the test error.

    Args:
        comparison: Of the two.
        measure: What the error is, where it is not the fraction of wrong predictions.
        learning_rates: By λ; they are named where they differ.
    """
    error = f"test error of the ensemble ({measure})" if measure else "test error of the ensemble"
    claim = _claim(comparison, error)
    sentences = [f"{claim[0].upper()}{claim[1:]}", *_examples(comparison)]
    if comparison.credit:
        sentences.append(f"Layers are not trained end to end at either λ ({comparison.credit}).")
    if not comparison.points.significant and math.isfinite(comparison.detectable):
        power = with_power(comparison.detectable, ".2f", "points")
        sentences.append(f"{power[0].upper()}{power[1:]}.")
    return " ".join([*sentences, *_learning_rates(learning_rates or {})])


def _claim(comparison: EndToEnd, error: str) -> str:
    points, trials = comparison.points, comparison.trials
    amount = f"{with_interval(points, '+.2f', 'points')} {_basis(comparison)}"
    if points.significant:
        change = "higher" if points.mean > 0 else "lower"
        return (
            f"{comparison.joint} has a significantly {change} {error} than {INDEPENDENT}: {amount}."
        )
    if points.exists:
        return (
            f"the {error} is not significantly different for {comparison.joint} and "
            f"{INDEPENDENT}: {amount}."
        )
    if trials > 1:
        return (
            f"the {error} differs by the same amount in each of {trials} trials, so a test is not "
            f"possible: {signed(points.mean)} points for {comparison.joint} against {INDEPENDENT}."
        )
    return (
        f"one trial is too few to test whether {comparison.joint} and {INDEPENDENT} differ: "
        f"{signed(points.mean)} points."
    )


def end_to_end_headline(comparison: EndToEnd) -> str:
    """Return whether end-to-end training is worse than independent training, in a few words."""
    points, trials, kind = comparison.points, comparison.trials, comparison.kind
    amount = with_interval(Interval(abs(points.mean), *_magnitude(points)), ".2f", "points")
    if points.significant:
        change = "higher" if points.mean > 0 else "lower"
        in_trial = " in a single trial" if trials == 1 else ""
        return (
            f"the test error of {kind} training is {change} than that of independent "
            f"training{in_trial}, by {amount}"
        )
    if points.exists:
        return f"{kind} and independent training are not significantly different"
    if trials > 1:
        return f"a difference between {kind} and independent training cannot be tested"
    return f"one trial is too few to say whether {kind} training is worse than independent"


def diversity(lam: float, loss: float, gain: Interval, ensemble: Interval, member: Interval) -> str:
    """Return how much lower the ensemble's test loss is than the mean loss of its members.

    Args:
        lam: The λ.
        loss: Test loss of the ensemble, in nats.
        gain: Mean loss of the members minus that, in nats.
        ensemble: Test error of the ensemble, in percent.
        member: Of the median member.
    """
    text = (
        f"λ = {lam_text(lam)}: the test loss of the ensemble is {loss:.3f} nats; the mean loss "
        "of its "
        f"members is higher by {with_interval(gain, '.3f', 'nats')}, their diversity"
    )
    if not (math.isfinite(ensemble.mean) and math.isfinite(member.mean)):
        return f"{text}."
    return (
        f"{text}. The test error of the ensemble is {with_interval(ensemble, unit='%')}, that of "
        f"the median member {with_interval(member, unit='%')}."
    )


def _trials(others: Sequence[Comparison]) -> int:
    return max(other.trials for other in others)


def _too_few(trials: int) -> str:
    return "One trial is too few" if trials == 1 else f"{trials} trials are too few"


def _power(similar: Sequence[Comparison]) -> list[str]:
    """Return how large a difference would have been detected at all of these λs."""
    known = [other for other in similar if math.isfinite(other.detectable)]
    if not known:
        return []
    power = with_power(max(other.detectable for other in known), ".2f", "points")
    if len(known) < len(similar):
        return [f"At λ = {_lams([other.lam for other in known])}, {power}."]
    return [f"There, {power}." if len(similar) == 1 else f"At each of these, {power}."]


def _basis(comparison: EndToEnd) -> str:
    if comparison.trials > 1:
        return f"over {comparison.trials} paired trials"
    return "over the test examples of a single trial"


def _examples(comparison: EndToEnd) -> list[str]:
    """Return on how many examples of a single trial only one of the two is right."""
    if comparison.trials > 1 or not comparison.points.exists:
        return []
    more = "More trials are needed to say what another training would give."
    if not math.isfinite(comparison.wins):
        return [more]
    wins, losses = int(comparison.wins), int(comparison.losses)
    return [
        f"Only λ = 1 is right on {wins:,} of them, only λ = 0 on {losses:,} (exact McNemar test, "
        f"p = {mcnemar(wins, losses):.2g}). {more}"
    ]


def _magnitude(points: Interval) -> tuple[float, float]:
    return (points.low, points.high) if points.mean >= 0 else (-points.high, -points.low)


def _differences(others: Sequence[Comparison]) -> str:
    if len(others) <= MOST_LISTED:
        return listed([_difference(other) for other in others])
    means = [other.points.mean for other in others]
    span = f"{signed(min(means))} to {signed(max(means))} points"
    return f"λ = {_lams([other.lam for other in others])} ({span})"


def _difference(other: Comparison) -> str:
    return f"λ = {lam_text(other.lam)} ({_name(other)}{difference(other.points, other.trials)})"


def _name(other: Comparison) -> str:
    if other.lam == 1 and not other.layers_end_to_end:
        return "joint training, "
    return f"{ENDS[other.lam]}, " if other.lam in ENDS else ""


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
    return listed([lam_text(lam) for lam in lams])


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
    error: Interval,
    similar: Sequence[float],
    trials: int,
    size: float,
    *,
    branched: bool = False,
) -> str:
    """Return the best λ for members of this size, and which are not significantly worse.

    Args:
        best: The λ with the lowest mean test error.
        error: There, in percent.
        similar: Other λs that are not significantly worse.
        trials: Those that the best λ shares with another.
        size: Parameters of one member, or of the network; NaN if unknown.
        branched: Whether members are branches of one network.
    """
    if trials < LEAST_TRIALS:
        certainty = f"{_too_few(trials)} to say which λs are worse".lower()
    elif similar:
        certainty = f"not significantly different from the best: λ = {_lams(similar)}"
    else:
        certainty = "all other λs are significantly worse"
    parameters = f"{size:,.0f} parameter{'' if size == 1 else 's'}"
    count = (
        f"{'The network has' if branched else 'Each member has'} {parameters}."
        if math.isfinite(size)
        else "The number of parameters per member is unknown: the run has no checkpoints and its "
        "data are not available."
    )
    lowest = f"λ = {lam_text(best)} has the lowest test error, {with_interval(error, unit='%')}"
    return f"{lowest}; {certainty}. {count}"


def selected_on_validation(lam: float, error: Interval) -> str:
    """Return the λ with the lowest validation error, and its test error in percent."""
    error_text = with_interval(error, unit="%")
    return f"Selected on validation: λ = {lam_text(lam)}, with a test error of {error_text}."
