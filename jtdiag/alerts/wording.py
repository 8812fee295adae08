"""From what the rules say of lanes to findings that a person reads."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from jtdiag import rules
from jtdiag.probing.findings import Finding
from jtdiag.rules.contract import Verdict

SOURCE = "alerts"
"""The probe under whose name the findings of rules are kept."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A verdict on one lane."""

    verdict: Verdict
    lam: float | None = None
    """The lane's; None in a loop of which λ is not known."""
    trial: int = 0


def findings(told: Iterable[Told], trials: int = 1) -> list[Finding]:
    """Return one finding for each rule and λ: the trials in which it spoke, and the first's words.

    Args:
        told: In any order; of each rule and lane at most one.
        trials: How many trials of each λ are known, 1 or more.
    """
    groups: dict[tuple[int, float], list[Told]] = {}
    for one in told:
        lam = -1.0 if one.lam is None else one.lam
        groups.setdefault((rules.rank(one.verdict.rule), lam), []).append(one)
    return [_finding(group, trials) for _, group in sorted(groups.items(), key=lambda g: g[0])]


def of_lane(one: Told, trials: int) -> Finding:
    """Return the finding on one lane by itself, which names its trial where there are several."""
    [found] = findings([one])
    if trials == 1 or one.lam is None:
        return found
    where = f"λ = {one.lam:g}"
    sentence = found.sentence.replace(where, f"{where}, trial {one.trial}", 1)
    return replace(found, sentence=sentence)


def _finding(group: list[Told], trials: int) -> Finding:
    first = min(group, key=lambda one: (one.verdict.epoch, one.trial))
    verdict, lam = first.verdict, first.lam
    return Finding(
        probe=SOURCE,
        rule=verdict.rule,
        level=verdict.level,
        lam=lam,
        trials=tuple(sorted(one.trial for one in group)),
        epoch=verdict.epoch,
        members=verdict.members,
        number=verdict.number,
        limit=verdict.limit,
        sentence=_sentence(first, len(group), trials),
    )


def _sentence(first: Told, count: int, trials: int) -> str:
    """Return a finding's words; its epoch and its numbers are those of the trial that is named."""
    often = f"in {count} of {trials} trials" if trials > 1 else ""
    lam = f"λ = {first.lam:g}" if first.lam is not None else ""
    where = ", ".join(filter(None, (lam, often)))
    trial = f" of trial {first.trial}" if often else ""
    verdict = first.verdict
    said = f"after epoch {verdict.epoch}{trial}, {verdict.observation}. {verdict.advice}"
    found = f"{where}: {said}" if where else said
    return found[0].upper() + found[1:] if first.lam is None else found
