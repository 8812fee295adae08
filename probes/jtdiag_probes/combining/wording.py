"""Sentences of the findings of the probes `combiners`, `votes` and `stacking`."""

import math
from collections.abc import Mapping, Sequence

from jtdiag.names import lam_text
from jtdiag.probing.last_epoch import after
from jtdiag.stats import Interval, listed, with_interval
from jtdiag_probes.combining.comparison import Comparison


def _percent(error: Interval, largest: float = math.inf) -> str:
    """Return "11.0 % (95 % interval 8.0 to 14.0 %)" for errors, which are at most `largest`."""
    return with_interval(error.within(0, largest).scaled(100), ".1f", "%")


def _difference(comparison: Comparison) -> str:
    """Return a difference in percentage points with its test, or why there is none."""
    points = f"{_points(comparison.interval.mean)} percentage points"
    if comparison.interval.exists:
        interval = f"95 % interval {_ends(comparison.interval)}"
        note = "" if comparison.significant else f", not significant; {_power(comparison)}"
        return f"{points} ({interval}{note})"
    if comparison.trials > 1:
        return f"{points} in each of {comparison.trials} trials (no spread, so not tested)"
    if math.isnan(comparison.p):
        return f"{points} in a single trial (not tested)"
    p = "p < 0.001" if comparison.p < 0.001 else f"p = {comparison.p:.2g}"
    note = "" if comparison.significant else ", not significant"
    return (
        f"{points} in a single trial (only the former is wrong on {comparison.only_first} test "
        f"examples, only the latter on {comparison.only_second}; McNemar's test, {p}{note})"
    )


def _ends(interval: Interval) -> str:
    return f"{_points(interval.low)} to {_points(interval.high)}"


def _power(comparison: Comparison) -> str:
    """Return what would have been detected."""
    size = f"{100 * comparison.detectable:.1f}"
    return f"a difference of {size} points would have been detected with a probability of 80 %"


def _in_trials(used: int, trials: int) -> str:
    """Return ", in 2 of 3 trials" where some are left out, and why."""
    left_out = "in the others a member diverged or outputs are not kept"
    return "" if used == trials else f", in {used} of {trials} trials ({left_out})"


def _points(fraction: float) -> str:
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def combiners(
    lam: float,
    epochs: Sequence[int],
    errors: Mapping[str, Interval],
    differences: Mapping[str, Comparison],
    *,
    own: str,
    used: int,
    trials: int,
) -> str:
    """State the test error of the same members with each combiner, and the differences.

    Args:
        lam: λ.
        epochs: Epochs of the outputs, in ascending order.
        errors: By the name of the combiner, such as "averaged logits"; one or more.
        differences: From the combiner of the recipe, by the name of each other one.
        own: Name of the combiner of the recipe.
        used: Number of trials with finite outputs.
        trials: Number of trials with outputs.
    """
    texts = [f"{_percent(error)} with {combiner}" for combiner, error in errors.items()]
    changes = [f"{name} {_difference(change)}" for name, change in differences.items()]
    compared = f" Compared with {own}: {listed(changes)}." if changes else ""
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, the test error of the same members is "
        f"{listed(texts)}"
        f"{_in_trials(used, trials)}.{compared}"
    )


def vote(
    lam: float,
    *,
    majority: Interval,
    ensemble: Interval,
    member: Interval,
    disagreement: Interval,
    compared: Comparison,
    disagreement_ratio: float,
    improvement_rate: float,
    trials: int,
) -> str:
    """State the errors of the majority vote, the ensemble and the members, on test.

    Args:
        lam: λ.
        majority: Error of the majority vote.
        ensemble: Error of the ensemble.
        member: Mean error of the members.
        disagreement: How often two members vote differently.
        compared: The vote with the ensemble.
        disagreement_ratio: Disagreement over the mean member error; NaN if there are no errors.
        improvement_rate: Improvement of the vote over the mean member error; NaN likewise.
        trials: Number of trials that have started.
    """
    if math.isfinite(disagreement_ratio) and math.isfinite(improvement_rate):
        ratios = (
            f"disagreement-error ratio DER = {disagreement_ratio:.2f}, ensemble improvement rate "
            f"EIR = {improvement_rate:.2f}"
        )
    else:
        ratios = "DER and EIR are undefined: the members make no errors"
    return (
        f"λ = {lam_text(lam)}: on test, the error of the majority vote is "
        f"{_percent(majority, 1)}, that "
        f"of the ensemble {_percent(ensemble, 1)}, and the mean error of the members "
        f"{_percent(member, 1)}; "
        f"two members disagree on {_percent(disagreement, 1)} of the examples ({ratios})"
        f"{_in_trials(compared.trials, trials)}. "
        f"Majority vote minus ensemble: {_difference(compared)}."
    )


def stacked(lam: float, stacked: Interval, averaged: Interval, compared: Comparison) -> str:
    """State the test error of a trained combiner and of the averaged logits.

    Args:
        lam: λ.
        stacked: Error of the trained combiner.
        averaged: Error of the averaged logits of the same members.
        compared: The former with the latter.
    """
    return (
        f"λ = {lam_text(lam)}: a combiner trained on the validation outputs of the members has a "
        "test "
        f"error of {_percent(stacked, 1)}; their averaged logits have {_percent(averaged, 1)}. "
        f"Difference: {_difference(compared)}."
    )


def fit_not_converged(lam: float, trials: int) -> str:
    """State in how many trials the fit of the trained combiner did not converge."""
    plural = "" if trials == 1 else "s"
    return (
        f"λ = {lam_text(lam)}: the fit of the trained combiner did not converge in {trials} "
        f"trial{plural}; "
        "the errors are those of the unconverged fit."
    )
