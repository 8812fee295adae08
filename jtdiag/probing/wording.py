"""Sentences of the findings of decorated probes, and of which lanes are used."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jtdiag.names import lam_text
from jtdiag.stats import listed


def value_sentence(
    name: str,
    number: float,
    *,
    meaning: str,
    unit: str = "",
    lam: float | None = None,
    epoch: int | None = None,
    limit: float | None = None,
) -> str:
    """State the value of a user-defined probe.

    Args:
        name: The probe's name.
        number: Its value.
        meaning: What the value is.
        unit: Printed after the number; empty for a plain fraction.
        lam: The λ of the value; None if it does not depend on λ.
        epoch: The epoch of the value; None if it does not depend on the epoch.
        limit: The limit that the number exceeds; None if it does not exceed one.
    """
    where = "" if lam is None else f"λ = {lam_text(lam)}: "
    value = f"{number:.3g} {unit}".rstrip()
    when = "" if epoch is None else f" after epoch {epoch}"
    compared = "" if limit is None else f", above the limit of {limit:g}"
    return f"{where}{name} is {value}{when}{compared} ({meaning})."


# --- lanes that are not used ---------------------------------------------------------------------


def lanes_where(by_lam: Mapping[float, Sequence[int]], trials: int) -> str:
    """Return the λs and trials of lanes: "λ = 0.9 (trial 1) and λ = 1".

    Args:
        by_lam: Trials by λ.
        trials: Trials of the run; where all of them are meant, they are not listed.
    """
    return listed([_lam_and_trials(lam, by_lam[lam], trials) for lam in sorted(by_lam)])


def _lam_and_trials(lam: float, which: Sequence[int], trials: int) -> str:
    if len(which) == trials:
        return f"λ = {lam_text(lam)}"
    plural = "s" if len(which) > 1 else ""
    return f"λ = {lam_text(lam)} (trial{plural} {listed([str(trial) for trial in sorted(which)])})"


def diverged(count: int, lanes: int, where: str) -> str:
    """Return how many lanes diverged, and that they are not used.

    Args:
        count: Lanes that diverged.
        lanes: All lanes of the run.
        where: Of `lanes_where`.
    """
    verb = "is" if count == 1 else "are"
    return (
        f"{count} of {_lanes(lanes)} diverged (losses that are not finite, or more than a million "
        f"times too large) and {verb} left out: {where}. Lower train.lr, or clip gradients with "
        "train.clip."
    )


def unlearned(count: int, lanes: int, where: str) -> str:
    """Return how many lanes have learned nothing, and that nothing is concluded from them."""
    return (
        f"In {count} of {_lanes(lanes)}, nothing was learned: the ensemble's training error is not "
        f"below chance level by more than its noise ({where}). No conclusion is drawn where this "
        "holds for all trials of a λ."
    )


def identical(count: int, lanes: int, where: str) -> str:
    """Return in how many lanes all members have the same weights, and what to do."""
    return (
        f"In {count} of {_lanes(lanes)}, all members have the same weights ({where}): initialize "
        "each member from a seed of its own. No conclusion about members is drawn where this holds "
        "for all trials of a λ."
    )


def unfinished(complete: int, lanes: int, partly: str, absent: str) -> str:
    """Return how many lanes are complete.

    Args:
        complete: Lanes with all epochs.
        lanes: All lanes of the run.
        partly: Of `lanes_where`, lanes with some epochs; "" for none.
        absent: Lanes without any; "" for none.
    """
    parts = [f"used up to their last epoch: {partly}"] if partly else []
    parts += [f"without any epoch: {absent}"] if absent else []
    verb = "is" if complete == 1 else "are"
    return f"{complete} of {_lanes(lanes)} {verb} complete ({'; '.join(parts)})."


TEST_IS_VAL = (
    "Only validation examples were recorded, and every number for the split test is theirs. If "
    "they chose an epoch or a setting, errors on new examples are higher; record the split test "
    "too."
)
"""What the split test of a recorded run holds."""


def lanes_headline(rule: str, count: int, lanes: int) -> str:
    """Return one of these findings in a few words."""
    counted = f"all {lanes} lanes" if count == lanes > 1 else f"{count} of {_lanes(lanes)}"
    if rule == "diverged":
        return f"{counted} diverged"
    if rule == "identical":
        return f"the members are identical in {counted}"
    if rule == "validation":
        return "all test errors are those of the validation examples"
    if rule == "nothing-learned":
        return f"nothing was learned in {'any lane' if count == lanes else counted}"
    return f"{counted} {'is' if count == 1 else 'are'} incomplete"


def no_lane_left(probe: str, run: Path, lanes: int) -> str:
    """Return that a probe has nothing to measure."""
    subject = f"all {lanes} lanes that have been trained" if lanes > 1 else "the only lane"
    return (
        f"Probe {probe} has nothing to measure in {run}: {subject} diverged. Train again with a "
        "lower train.lr, or with train.clip."
    )


def _lanes(count: int) -> str:
    return f"{count} lane{'' if count == 1 else 's'}"
