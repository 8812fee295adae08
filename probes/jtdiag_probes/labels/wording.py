"""Sentences of the findings of the probe `labels`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jtdiag.names import lam_text
from jtdiag.stats import Interval, listed, with_interval, with_power

ALL = "all"
"""Number of labels: all training examples are labeled."""
ENOUGH = 1.0
"""Points above the error with all labels up to which fewer are said to be enough."""

Compared = Mapping[str, tuple[Interval, float, int]]
"""By number of labels: a difference in points with an interval that holds for all comparisons,
the difference that would have been detected (NaN if there is none), and the paired trials."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where heads are fitted."""

    lam: float
    layer: str
    draws: int

    @property
    def beginning(self) -> str:
        """First words of a sentence on the new heads of the members."""
        return f"λ = {lam_text(self.lam)}: for new heads on {self.layer}, "


def by_labels(context: Context, errors: Mapping[str, Interval]) -> str:
    """State the test errors, in percent, by number of labels a class."""
    texts = [f"{with_interval(errors[k], '.1f', '%')} with {_labels(k)}" for k in errors]
    return (
        f"{context.beginning}fitted to the features of the chosen epoch, the test error is "
        f"{listed(texts)} (means over members and {context.draws} draws of labels)."
    )


def enough(context: Context, compared: Compared) -> str:
    """State what fewer labels cost, and which number of them is enough.

    Args:
        context: Where heads are fitted.
        compared: Error with few labels minus that with all.
    """
    near = [k for k, (cost, *_) in compared.items() if cost.high < ENOUGH]
    far = [k for k, (cost, *_) in compared.items() if cost.low > ENOUGH]
    costs = listed([f"{_points(cost)} with {_labels(k)}" for k, (cost, *_) in compared.items()])
    text = (
        f"{context.beginning}compared with all labels, the test error changes by {costs} "
        f"({_trials(compared)})."
    )
    limit = f"to be within {ENOUGH:g} point of all labels"
    if near:
        return f"{text} {_enough(min(near, key=int))} enough {limit}."
    if len(far) == len(compared):
        return f"{text} None of these numbers is enough {limit}."
    unsure = listed([_labels(k) for k in compared if k not in far])
    return f"{text} Whether {unsure} would be enough {limit} is open."


def against_control(context: Context, inputs: bool, compared: Compared) -> str:
    """State with how many labels heads do better or worse than those of a control.

    Args:
        context: Where heads are fitted.
        inputs: Whether the control is the inputs; else the same layer at epoch 0.
        compared: Error on the layer minus that of the control.
    """
    other = "on the inputs" if inputs else "on the same layer before training"
    return f"{context.beginning}{_difference(f'with the same labels {other}', compared)}"


def against_lowest(context: Context, lowest: float, compared: Compared) -> str:
    """State with how many labels heads do better or worse than at the lowest λ."""
    other = f"with the same labels at λ = {lam_text(lowest)}"
    return f"{context.beginning}{_difference(other, compared)}"


def no_untrained(context: Context) -> str:
    """State that the control of epoch 0 is missing."""
    return (
        f"{context.beginning}there is no control before training: the checkpoint of epoch 0 is "
        "not kept in three trials or more. Train with 0 in keep.checkpoints."
    )


def no_hidden_layer(context: Context) -> str:
    """State that there are no features but the inputs."""
    return (
        f"λ = {lam_text(context.lam)}: members have no hidden layer at which they can be cut, so "
        "new heads are fitted to the inputs only."
    )


def too_few_trials(context: Context, trials: int, least: int) -> str:
    """State that nothing is tested."""
    count = f"{trials} trial" + "s" * (trials != 1)
    return (
        f"{context.beginning}{count} are too few to test how many labels are enough; "
        f"{least} are needed."
    ).replace("1 trial are", "1 trial is")


def _difference(other: str, compared: Compared) -> str:
    """State where the error is significantly lower or higher than another."""
    lower = [k for k, (change, *_) in compared.items() if change.high < 0]
    higher = [k for k, (change, *_) in compared.items() if change.low > 0]
    if not lower and not higher:
        largest = max(power for _, power, _ in compared.values())
        text = f"the test error is not significantly different from that {other}"
        if math.isfinite(largest):
            text = f"{text}; {with_power(largest, '.1f', 'points')} for every number of labels"
        return f"{text} ({_trials(compared)})."
    parts = [
        f"{word} {listed([f'with {_labels(k)} ({_points(compared[k][0])})' for k in several])}"
        for word, several in (("lower", lower), ("higher", higher))
        if several
    ]
    rest = "; other differences are not significant"
    rest = rest if len(lower) + len(higher) < len(compared) else ""
    return (
        f"the test error is significantly {listed(parts)} than that {other} "
        f"({_trials(compared)}{rest})."
    )


def _points(change: Interval) -> str:
    return with_interval(change, "+.1f", "points")


def _labels(number: str) -> str:
    if number == ALL:
        return "all labels"
    return "1 label a class" if number == "1" else f"{number} labels a class"


def _enough(number: str) -> str:
    return f"{_labels(number)} {'is' if number == '1' else 'are'}"


def _trials(compared: Compared) -> str:
    return f"{min(trials for *_, trials in compared.values())} paired trials"
