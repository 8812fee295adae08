"""Sentences of the finding "carried" of the probe `alerts`; those of rules are in `jtdiag`."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jtdiag import stats
from jtdiag.names import lam_text


class Fired(NamedTuple):
    """Where a rule fires at the end of training, at one λ."""

    lam: float
    fired: int
    """Trials in which the rule fires at their last epoch."""
    trials: int
    """Trials that can be judged."""
    epoch: int
    """First epoch after which the rule fired."""
    leaders: int = 1
    """Members that dominate at the end, at most over trials; of no meaning for codependence."""
    effective: float = math.nan
    """Effective number of members, mean over trials; NaN if not measured."""
    members: int = 0
    """Number of members M."""


class Uneven(NamedTuple):
    """A λ at which no rule fires, but one member has nearly all of the ensemble's logits."""

    lam: float
    effective: float
    """Effective number of members, mean over trials."""


class Unlearned(NamedTuple):
    """Where the ensemble has learned too little to be judged, at one λ."""

    lam: float
    fewer: int
    """Trials in which it has."""
    trials: int
    """Trials that have reached the epoch from which on rules fire."""
    error: float
    """Training error of the ensemble over chance level, mean over those trials."""


class Summary(NamedTuple):
    """At which λ one member dominates, by category; at most one of them for each trial."""

    dominance: Sequence[Fired] = ()
    """Where the rule dominance fires at the end, by λ."""
    codependence: Sequence[Fired] = ()
    """Where the rule codependence fires at the end, by λ."""
    uneven: Sequence[Uneven] = ()
    neither: Sequence[float] = ()
    """All other λs that can be judged."""
    unlearned: Sequence[Unlearned] = ()
    diverged: Sequence[float] = ()
    """λs at which every trial diverged."""
    members: int = 0
    """Number of members M."""


UNDECIDED = (
    "Whether one member dominates the ensemble cannot be judged: too few epochs are trained."
)
NOTHING = 0.9
"""Training error of the ensemble over chance level from which it has learned nothing yet."""


def carried(summary: Summary) -> str:
    """State at which λ a few members dominate, and at which members only perform well together."""
    sentences = []
    if summary.dominance:
        lams = _listed(at_lam.lam for at_lam in summary.dominance)
        sentences.append(
            f"At λ = {lams}, {_subject(summary)} the ensemble ({_evidence(summary.dominance)})."
        )
    if summary.codependence:
        lams = _listed(at_lam.lam for at_lam in summary.codependence)
        sentences.append(
            f"At λ = {lams}, no member performs well on its own, although the ensemble does "
            f"({_evidence(summary.codependence)})."
        )
    sentences += [_uneven(at_lam, summary.members) for at_lam in summary.uneven]
    if summary.neither:
        sentences.append(f"At λ = {_listed(summary.neither)}, no member dominates the ensemble.")
    sentences += _unlearned(summary)
    if summary.diverged:
        sentences.append(
            f"At λ = {_listed(summary.diverged)}, training diverged, so it cannot be judged "
            "whether one member dominates."
        )
    return " ".join(sentences) or UNDECIDED


def carried_headline(summary: Summary) -> str:
    """Return the same in a few words; empty if too few epochs are trained."""
    parts = []
    if summary.dominance:
        parts.append(f"{_subject(summary)} the ensemble at {_where(summary.dominance)}")
    if summary.codependence:
        parts.append(f"no member performs well on its own at {_where(summary.codependence)}")
    if summary.uneven:
        lams = _listed(at_lam.lam for at_lam in summary.uneven)
        parts.append(f"one member has most of the ensemble's logits at λ = {lams}")
    if not parts and summary.neither:
        parts.append("no member dominates the ensemble")
    if not parts and summary.unlearned:
        learned_nothing = all(at_lam.error >= NOTHING for at_lam in summary.unlearned)
        parts.append(f"{'nothing' if learned_nothing else 'too little'} has been learned yet")
    return ", ".join(parts)


def _subject(summary: Summary) -> str:
    most = max(at_lam.leaders for at_lam in summary.dominance)
    if most == 1:
        return "one member dominates"
    return f"up to {most} of {summary.members} members dominate"


def _uneven(at_lam: Uneven, members: int) -> str:
    return (
        f"At λ = {lam_text(at_lam.lam)}, one member has most of the ensemble's logits (effective "
        "number of "
        f"members: {at_lam.effective:.3g} of {members}), although other members perform well on "
        "their own."
    )


def _unlearned(summary: Summary) -> list[str]:
    """Return where too little has been learned: λs with the same words in one sentence."""
    groups: dict[tuple[str, bool], list[Unlearned]] = {}
    for at_lam in summary.unlearned:
        amount = "nothing" if at_lam.error >= NOTHING else "too little"
        groups.setdefault((amount, at_lam.fewer == at_lam.trials), []).append(at_lam)
    return [_of_amount(amount, everywhere, group) for (amount, everywhere), group in groups.items()]


def _of_amount(amount: str, everywhere: bool, group: list[Unlearned]) -> str:
    lams = _listed(at_lam.lam for at_lam in group)
    errors = _listed(f"{100 * at_lam.error:.0f}" for at_lam in group)
    error = f"the ensemble's training error is {errors} % of chance level"
    if everywhere:
        return f"At λ = {lams}, {amount} has been learned yet: {error}."
    counts = _listed(f"{at_lam.fewer} of {at_lam.trials}" for at_lam in group)
    return f"At λ = {lams}, {counts} trials cannot be judged, since {amount} was learned: {error}."


def _where(rule: Sequence[Fired]) -> str:
    """Return the λs of a headline, and in how many trials unless it is all of them."""
    lams = f"λ = {_listed(at_lam.lam for at_lam in rule)}"
    if all(at_lam.fired == at_lam.trials for at_lam in rule):
        return lams
    counts = _listed(f"{at_lam.fired} of {at_lam.trials}" for at_lam in rule)
    return f"{lams} (in {counts} trials)"


def _evidence(rule: Sequence[Fired]) -> str:
    counts = _listed(f"{at_lam.fired} of {at_lam.trials}" for at_lam in rule)
    plural = "" if rule[-1].trials == 1 else "s"
    epoch = min(at_lam.epoch for at_lam in rule)
    known = [f"{at_lam.effective:.3g}" for at_lam in rule if math.isfinite(at_lam.effective)]
    effective = (
        f"; effective number of members: {_listed(known)} of {rule[-1].members}"
        if len(known) == len(rule)
        else ""
    )
    return (
        f"at the last epoch, in {counts} trial{plural}; first detected after epoch {epoch}"
        f"{effective}"
    )


def _listed(items: Iterable[float | str]) -> str:
    return stats.listed([item if isinstance(item, str) else f"{item:g}" for item in items])
