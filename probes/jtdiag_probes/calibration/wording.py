"""Sentences of the calibration probe."""

from dataclasses import dataclass
from typing import Literal

from jtdiag.names import lam_text
from jtdiag.stats import Interval, with_interval
from jtdiag_probes.calibration.reliability import COOLEST, HOTTEST

Verdict = Literal["overconfident", "underconfident", "miscalibrated"]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Mean confidence minus accuracy, −1 to 1, with the sources of its uncertainty."""

    over_examples: Interval
    """Over the choice of test examples, for the trained trials; simultaneous for all λs."""
    over_trials: Interval
    """Over examples and trials; no ends for a single trial."""
    trials: int
    detectable: float
    """Size that would have been detected with a probability of 80 %."""


@dataclass(frozen=True, kw_only=True)
class Chance:
    """An expected calibration error, compared with that of a calibrated ensemble."""

    error: Interval
    """0 to 1, mean over trials."""
    if_calibrated: float
    """Its expected value for a calibrated ensemble."""
    p: float
    """Probability of one at least as large, corrected for all tests."""


def calibration(lam: float, verdict: Verdict | None, gap: Gap, *, diverged: int = 0) -> str:
    """Return whether the ensemble is miscalibrated, from its mean confidence on test.

    Args:
        lam: λ.
        verdict: None where nothing was detected.
        gap: Mean confidence minus accuracy.
        diverged: Number of trials that are left out because a member diverged.
    """
    conclusion = {
        None: "no miscalibration was detected",
        "miscalibrated": "the ensemble is miscalibrated, though not in one direction",
    }.get(verdict, f"the ensemble is {verdict}")
    omitted = f", without {_trials(diverged)} in which a member diverged" if diverged else ""
    power = ""
    if verdict is None:
        power = (
            f" A difference of {100 * gap.detectable:.1f} points would have been detected with a "
            "probability of 80 %."
        )
    subject = "its" if verdict else "the ensemble's"
    return (
        f"λ = {lam_text(lam)}: {conclusion}: on test, {subject} mean confidence "
        f"{_compared(gap)}{omitted}."
        f"{power}"
    )


def _compared(gap: Gap) -> str:
    """Return the difference from the accuracy, with both intervals and what they include."""
    mean = 100 * gap.over_examples.mean
    size = f"{abs(mean):.1f} points {'above' if mean >= 0 else 'below'} its accuracy"
    trained = "the trained ensemble" if gap.trials == 1 else f"these {gap.trials} trained ensembles"
    sources = f"for {trained}, over test examples: {_ends(gap.over_examples)}"
    if gap.over_trials.exists:
        sources += f"; over test examples and trials: {_ends(gap.over_trials)}"
    return f"is {size} (95 % interval of the difference {sources} points)"


def _ends(interval: Interval) -> str:
    return f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}".replace("-", "−")


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def calibration_error(chance: Chance, member_error: float) -> str:
    """Return the expected calibration error of the ensemble and of its members, on test.

    Args:
        chance: Error of the ensemble, and what a calibrated one would have.
        member_error: Error of the median member, 0 to 1; NaN for a single member.
    """
    p = "p < 0.001" if chance.p < 0.001 else f"p = {chance.p:.2g}"
    members = f"; the median member's is {100 * member_error:.1f} %" if member_error >= 0 else ""
    error = with_interval(chance.error.scaled(100).within(0, 100), ".1f", "%")
    return (
        f"Its expected calibration error is {error}; a calibrated ensemble would have about "
        f"{100 * chance.if_calibrated:.1f} % ({p}){members}."
    )


def headline(lam: float, verdict: Verdict | None) -> str:
    """Return the same in a few words."""
    text = f"the ensemble is {verdict}" if verdict else "no miscalibration was detected"
    return f"{text} at λ = {lam_text(lam)}"


def temperature_scaling(temperature: float, *, scaled: float, fitted: int, trials: int) -> str:
    """Return the ensemble's calibration error with a fitted temperature.

    Args:
        temperature: Fitted on val, mean over trials; NaN where none was fitted.
        scaled: Calibration error with it, 0 to 1.
        fitted: Number of trials in which the loss has its minimum within the bounds.
        trials: Number of trials.
    """
    outside = f"the loss on val has no minimum for temperatures from {COOLEST:g} to {HOTTEST:g}"
    if not fitted:
        return f"No temperature was fitted: {outside}."
    note = "" if fitted == trials else f"; in {_trials(trials - fitted)} {outside}"
    return (
        f"With temperature scaling (T = {temperature:.2f}, fitted on val{note}), the expected "
        f"calibration error is {100 * scaled:.1f} %."
    )


def keep_val() -> str:
    """Return what to store so that a temperature can be fitted."""
    return 'Store the outputs of val (keep.splits = ["val", "test"]) to fit a temperature.'
