"""Sentences of the findings of the probes `combiners`, `votes` and `stacking`."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from jtdiag import stats


class Percent(NamedTuple):
    """A fraction, mean over trials with its standard error; NaN for a single trial."""

    mean: float
    se: float

    def __str__(self) -> str:
        """Return "11.0 ± 1.0 %"."""
        return stats.plus_minus(100 * self.mean, 100 * self.se, ".1f", "%")


class Difference(NamedTuple):
    """A difference of two error rates over paired trials, with its 95 % confidence interval."""

    mean: float
    low: float
    """NaN, as `high`, if there is no interval: for one trial, or the same difference in all."""
    high: float
    trials: int

    def __str__(self) -> str:
        """Return the difference in percentage points, with its interval or why there is none."""
        points = f"{_points(self.mean)} percentage points"
        if math.isfinite(self.low) and math.isfinite(self.high):
            interval = f"95 % confidence interval {_points(self.low)} to {_points(self.high)}"
            note = ", not significant" if self.low <= 0 <= self.high else ""
            return f"{points} ({interval}{note})"
        if self.trials > 1:
            return f"{points} in each of {self.trials} trials (no confidence interval)"
        return f"{points} in a single trial (no confidence interval)"


def _points(fraction: float) -> str:
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def combiners(lam: float, epoch: int, errors: Mapping[str, Percent]) -> str:
    """State the test error of the same members with each combiner.

    Args:
        lam: λ.
        epoch: Epoch of the outputs.
        errors: By the name of the combiner, such as "averaged logits"; one or more.
    """
    texts = [f"{error} with {combiner}" for combiner, error in errors.items()]
    listed = " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
    return f"λ = {lam:g}: after epoch {epoch}, the test error of the same members is {listed}."


def vote(
    lam: float,
    *,
    majority: Percent,
    ensemble: Percent,
    member: Percent,
    disagreement: Percent,
    difference: Difference,
    disagreement_ratio: float,
    improvement_rate: float,
) -> str:
    """State the errors of the majority vote, the ensemble and the members, on test.

    Args:
        lam: λ.
        majority: Error of the majority vote.
        ensemble: Error of the ensemble.
        member: Mean error of the members.
        disagreement: How often two members vote differently.
        difference: Error of the vote minus that of the ensemble.
        disagreement_ratio: Disagreement over the mean member error; NaN if there are no errors.
        improvement_rate: Improvement of the vote over the mean member error; NaN likewise.
    """
    if math.isfinite(disagreement_ratio) and math.isfinite(improvement_rate):
        ratios = (
            f"disagreement-error ratio DER = {disagreement_ratio:.2f}, ensemble improvement rate "
            f"EIR = {improvement_rate:.2f}"
        )
    else:
        ratios = "DER and EIR are undefined: the members make no errors"
    return (
        f"λ = {lam:g}: on test, the error of the majority vote is {majority}, that of the ensemble "
        f"{ensemble}, and the mean error of the members {member}; two members disagree on "
        f"{disagreement} of the examples ({ratios}). Majority vote minus ensemble: {difference}."
    )


def stacked(lam: float, stacked: Percent, averaged: Percent, difference: Difference) -> str:
    """State the test error of a trained combiner and of the averaged logits.

    Args:
        lam: λ.
        stacked: Error of the trained combiner.
        averaged: Error of the averaged logits of the same members.
        difference: The former minus the latter.
    """
    return (
        f"λ = {lam:g}: a combiner trained on the validation outputs of the members has a test "
        f"error of {stacked}; their averaged logits have {averaged}. Difference: {difference}."
    )


def fit_not_converged(lam: float, trials: int) -> str:
    """State in how many trials the fit of the trained combiner did not converge."""
    plural = "" if trials == 1 else "s"
    return (
        f"λ = {lam:g}: the fit of the trained combiner did not converge in {trials} trial{plural}; "
        "the errors are those of the unconverged fit."
    )
