"""Sentences of the findings of the probe `layers`."""

import math
from collections.abc import Mapping, Sequence

from jtdiag.names import lam_text
from jtdiag.probing.last_epoch import after
from jtdiag.stats import Interval, listed, with_interval, with_power

LISTED = 8
"""Layers up to which each is named in a sentence."""


def by_layer(lam: float, epochs: Sequence[int], errors: Mapping[str, Interval]) -> str:
    """State the test errors of linear classifiers on the layers, and of the members themselves.

    Args:
        lam: λ.
        epochs: Epochs of the checkpoints, in ascending order.
        errors: In percent, means over trials, by layer: the inputs first, the head last.
    """
    *hidden, head = errors
    shown = hidden if len(hidden) <= LISTED else [*hidden[: LISTED // 2], *hidden[-LISTED // 2 :]]
    texts = [f"{with_interval(errors[name], '.1f', '%')} on {_named(name)}" for name in shown]
    if len(shown) < len(hidden):
        texts.insert(LISTED // 2, f"({len(hidden) - len(shown)} layers not listed)")
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, the test error of a linear classifier on "
        f"frozen features is {listed(texts)}; that of the members themselves is "
        f"{with_interval(errors[head], '.1f', '%')} (means over members)."
    )


def changes(
    lam: float, epochs: Sequence[int], by_name: Mapping[str, tuple[Interval, float]], trials: int
) -> str:
    """State at which hidden layers the error of a linear classifier rises or falls.

    Args:
        lam: λ.
        epochs: Epochs of the checkpoints, in ascending order.
        by_name: By hidden layer, from the second on: the change from the layer before, in points,
            and the change that would have been detected; NaN if there is none.
        trials: Number of paired trials.
    """
    rises = [name for name, (change, _) in by_name.items() if change.low > 0]
    falls = [name for name, (change, _) in by_name.items() if change.high < 0]
    beginning = f"λ = {lam_text(lam)}: {after(epochs)}, from one hidden layer to the next, "
    if not rises and not falls:
        largest = max((power for _, power in by_name.values()), default=math.nan)
        text = f"{beginning}the error of a linear classifier does not change significantly"
        if math.isfinite(largest):
            text = f"{text}; {with_power(largest, '.1f', 'points')} at every layer"
        return f"{text} ({trials} paired trials)."
    parts = []
    if rises:
        parts.append(f"rises at {listed([_change(n, by_name[n][0]) for n in rises])}")
    if falls:
        parts.append(f"falls at {listed([_change(n, by_name[n][0]) for n in falls])}")
    lost = " Label information that a linear classifier can use is lost there." if rises else ""
    if rises and falls:
        lost = " Where it rises, label information that a linear classifier can use is lost."
    return (
        f"{beginning}the error of a linear classifier significantly {listed(parts)} "
        f"({trials} paired trials; other changes are not significant).{lost}"
    )


def _change(name: str, change: Interval) -> str:
    return f"{name} ({with_interval(change, '+.1f', 'points')})"


def _named(layer: str) -> str:
    return "the inputs" if layer == "inputs" else layer
