"""Sentences of the findings of the probe `specialisation`."""

from collections.abc import Mapping, Sequence

from jtdiag import stats
from jtdiag.names import lam_text
from jtdiag.probing.last_epoch import after
from jtdiag.stats import Interval

_PATTERNS = {
    "dominance": "one member carries nearly all modes (dominance)",
    "specialisation": "different members carry different modes (specialization)",
    "independence": "all members take part in every mode (independence)",
    "": "neither dominance, specialization nor independence",
}
_OF_ONE_MODE = {
    "dominance": "one member carries it nearly alone (dominance)",
    "independence": "all members take part in it (independence)",
    "": "neither dominance nor independence",
}
"""With a single mode, members cannot specialize."""


def modes(
    lam: float,
    epochs: Sequence[int],
    *,
    effective: Interval,
    leader_percent: Interval,
    members: int,
    patterns: Mapping[str, int],
    single_mode: bool,
    left_out: int,
) -> str:
    """State how many members carry a mode, and what this is called.

    Args:
        lam: λ.
        epochs: Epochs of the outputs, in ascending order.
        effective: Effective members per mode, mean over trials.
        leader_percent: Weight of the modes that one member wins, in percent, mean over trials.
        members: Number of members M.
        patterns: Number of trials by pattern; "" for none.
        single_mode: Whether the outputs have one mode only.
        left_out: Number of trials in which the ensemble is not better than chance.
    """
    count = stats.with_interval(effective, ".2f", "")
    won = stats.with_interval(leader_percent, ".0f", "%")
    modes_won = (
        "the outputs have a single mode"
        if single_mode
        else f"one member has the largest share in modes with {won} of the weight"
    )
    excluded = f" {_left_out(left_out)}" if left_out else ""
    named = _named(patterns, _OF_ONE_MODE if single_mode else _PATTERNS)
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, the effective number of members per mode of "
        "the "
        f"ensemble's outputs is {count}, of {members}, and {modes_won}: {named}.{excluded}"
    )


def nothing_learned(lam: float, epochs: Sequence[int]) -> str:
    """State that the modes of an ensemble at chance level have no meaning.

    Args:
        lam: λ.
        epochs: Epochs of the outputs, in ascending order.
    """
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, the ensemble's error is not significantly "
        "below chance "
        "level, so it cannot be said which members carry its outputs."
    )


def _named(patterns: Mapping[str, int], texts: Mapping[str, str]) -> str:
    """Return what the trials show, with their numbers if there are several."""
    trials = sum(patterns.values())
    present = [name for name in texts if patterns.get(name)]
    if trials == 1:
        return texts[present[0]]
    return stats.listed([f"{texts[n]} in {patterns[n]} of {trials} trials" for n in present])


def _left_out(count: int) -> str:
    trials = "1 trial is" if count == 1 else f"{count} trials are"
    return f"{trials} left out, in which the ensemble is not better than chance."
