"""Sentences of the findings of the probe `similarity`."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jtdiag.names import lam_text
from jtdiag.probing.last_epoch import after
from jtdiag.stats import Interval, listed, with_interval, with_power

SAME = 0.95
"""Similarity above which two layers are said to represent nearly the same."""
Pair = tuple[str, str]
"""Names of two layers."""


class Context(NamedTuple):
    """What a sentence is about."""

    lam: float
    epochs: Sequence[int]
    """Epoch of the checkpoints."""
    examples: int
    """Number of test examples."""

    @property
    def beginning(self) -> str:
        """Beginning of every sentence."""
        return f"λ = {lam_text(self.lam)}: {after(self.epochs)}, "


def members(context: Context, by_layer: Mapping[str, Interval], others: Mapping[str, float]) -> str:
    """State how similar the members of an ensemble are at each layer.

    Args:
        context: λ, epoch and number of examples.
        by_layer: Means over trials, by layer, the head last.
        others: The same of members of different trials at that λ; empty for a single trial.
    """
    text = (
        f"{context.beginning}the similarity of two members (unbiased linear CKA, "
        f"{context.examples} test examples; 1 is the same up to rotation and scale) is "
        f"{_at_layers(by_layer)}"
    )
    if not others:
        return f"{text}."
    values = listed([f"{value:.2f}".replace("-", "−") for value in others.values()])
    return f"{text}; between members of different trials it is {values}."


def against(
    context: Context, lowest: float, by_layer: Mapping[str, tuple[Interval, float]], trials: int
) -> str:
    """State at which layers members are more or less similar than at the lowest λ.

    Args:
        context: λ, epoch and number of examples.
        lowest: The lowest λ.
        by_layer: By layer, the difference of the similarity of members, and the difference that
            would have been detected; NaN if there is none.
        trials: Number of paired trials.
    """
    more = {name: change for name, (change, _) in by_layer.items() if change.low > 0}
    less = {name: change for name, (change, _) in by_layer.items() if change.high < 0}
    equal = [_named(n) for n, (change, _) in by_layer.items() if not (change.exists or change.mean)]
    beginning = f"{context.beginning}members are"
    end = f"than at λ = {lam_text(lowest)}"
    also = f" At {listed(equal)} they are equally similar in every trial." if equal else ""
    if not more and not less:
        text = f"{beginning} not significantly more or less similar {end} at any layer"
        powers = [power for change, power in by_layer.values() if change.exists or change.mean]
        if powers and all(map(math.isfinite, powers)):
            which = "every other layer" if equal else "every layer"
            text = f"{text}; {with_power(max(powers), '.2f')} at {which}"
        return f"{text} ({trials} paired trials).{also}"
    parts = [
        f"{word} similar {end} at {_changes(changes)}"
        for word, changes in (("more", more), ("less", less))
        if changes
    ]
    rest = "" if len(more) + len(less) == len(by_layer) else "; other layers: not significant"
    return f"{beginning} significantly {listed(parts)} ({trials} paired trials{rest}).{also}"


def layers(
    context: Context,
    by_pair: Mapping[Pair, Interval],
    same: Sequence[Pair] | None,
    trials: int,
) -> str:
    """State how similar each layer is to the next, and which are nearly the same.

    Args:
        context: λ, epoch and number of examples.
        by_pair: Means over trials of two consecutive layers.
        same: Those significantly above `SAME`; None if there are too few trials to test.
        trials: Number of trials.
    """
    values = [f"{with_interval(value, '.2f')} for {_pair(pair)}" for pair, value in by_pair.items()]
    text = (
        f"{context.beginning}the similarity of consecutive layers of a member (unbiased linear "
        f"CKA, {context.examples} test examples) is {listed(values)}."
    )
    if same is None:
        return f"{text} Too few trials to test whether layers are nearly the same."
    tested = f"significantly above {SAME} ({trials} trials)"
    if not same:
        return f"{text} None is {tested}."
    pairs = listed([f"for {_pair(pair)}" for pair in same])
    claim = f"That {pairs} is" if len(same) == 1 else f"Those {pairs} are"
    return (
        f"{text} {claim} {tested}: up to rotation and scale these layers represent nearly the same."
    )


def epochs(context: Context, first: int, by_layer: Mapping[str, Interval]) -> str:
    """State how similar each layer is to itself at an earlier epoch.

    Args:
        context: λ, epoch and number of examples.
        first: The earlier epoch.
        by_layer: Means over trials, by layer, the head last.
    """
    return (
        f"{context.beginning}the similarity of a layer to the same layer after epoch {first} "
        f"(unbiased linear CKA, {context.examples} test examples) is {_at_layers(by_layer)}."
    )


def other_run(
    lam: float, other: str, other_lam: float, examples: int, by_layer: Mapping[str, Interval]
) -> str:
    """State how similar each layer is to that of the same name in another run.

    Args:
        lam: λ of the run.
        other: Name of the other run.
        other_lam: λ of the other run.
        examples: Number of test examples.
        by_layer: Means over trials, by layer, the head last.
    """
    return (
        f"λ = {lam_text(lam)}: at the last kept epochs, the similarity of a member to a member of "
        f"the run {other} at λ = {lam_text(other_lam)} (unbiased linear CKA, {examples} test "
        f"examples, mean over pairs) is {_at_layers(by_layer)}."
    )


def constant(context: Context, by_layer: Mapping[str, int], total: int) -> str:
    """State of how many members the features of a layer do not vary.

    Args:
        context: λ, epoch and number of examples.
        by_layer: Number of members, of all trials.
        total: Number of measured members of all trials.
    """
    counts = [f"{_named(name)} of {count} of {total} members" for name, count in by_layer.items()]
    return (
        f"{context.beginning}the features of {listed(counts)} are the same for all "
        f"{context.examples} test examples (all trials); they have no similarity to others and are "
        "left out of its means."
    )


def _at_layers(by_layer: Mapping[str, Interval]) -> str:
    values = [f"{with_interval(value, '.2f')} at {_named(n)}" for n, value in by_layer.items()]
    return listed(values)


def _changes(changes: Mapping[str, Interval]) -> str:
    values = [f"{_named(name)} ({with_interval(c, '+.2f')})" for name, c in changes.items()]
    return listed(values)


def _pair(pair: Pair) -> str:
    return f"{_named(pair[0])} and {_named(pair[1])}"


def _named(layer: str) -> str:
    return f"the {layer}" if layer in ("inputs", "head") else layer
