"""Sentences of the finding "carried" of the probe `alerts`; those of rules are in `jtdiag`."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jtdiag import stats


class Fired(NamedTuple):
    """Where a rule fires at the end of training, at one λ."""

    lam: float
    fired: int
    """Trials in which the rule fires at their last epoch."""
    trials: int
    """Trials that can be judged."""
    epoch: int
    """First epoch after which the rule fired."""


UNDECIDED = (
    "Whether one member dominates the ensemble cannot be judged: too few epochs are trained, or "
    "the ensemble is not better than chance level."
)


def carried(
    dominance: Sequence[Fired], codependence: Sequence[Fired], neither: Sequence[float]
) -> str:
    """State at which λ one member dominates, and at which members only perform well together.

    Args:
        dominance: Where the rule dominance fires at the end, by λ.
        codependence: Where the rule codependence fires at the end, by λ.
        neither: All other λs that can be judged.
    """
    sentences = []
    if dominance:
        lams = _listed(at_lam.lam for at_lam in dominance)
        sentences.append(
            f"At λ = {lams}, one member dominates the ensemble ({_evidence(dominance)})."
        )
    if codependence:
        lams = _listed(at_lam.lam for at_lam in codependence)
        sentences.append(
            f"At λ = {lams}, the members perform well only together, as one big model, and poorly "
            f"on their own ({_evidence(codependence)})."
        )
    if neither:
        sentences.append(f"At λ = {_listed(neither)}, no member dominates the ensemble.")
    return " ".join(sentences) or UNDECIDED


def carried_headline(
    dominance: Sequence[Fired], codependence: Sequence[Fired], neither: Sequence[float]
) -> str:
    """Return the same in a few words; empty if nothing can be judged."""
    parts = []
    if dominance:
        parts.append(f"one member dominates the ensemble at {_where(dominance)}")
    if codependence:
        parts.append(f"members perform well only together at {_where(codependence)}")
    if not parts and neither:
        parts.append("no member dominates the ensemble")
    return ", ".join(parts)


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
    return f"at the last epoch, in {counts} trial{plural}; first detected after epoch {epoch}"


def _listed(items: Iterable[float | str]) -> str:
    return stats.listed([item if isinstance(item, str) else f"{item:g}" for item in items])
