"""Findings from the verdicts of rules on lanes."""

from collections.abc import Iterable
from dataclasses import dataclass

from jtdiag import rules
from jtdiag.alerts import wording
from jtdiag.probing.findings import Finding
from jtdiag.rules.contract import Verdict

SOURCE = "alerts"
"""The probe under whose name findings of rules are stored."""


@dataclass(frozen=True, kw_only=True)
class LaneVerdict:
    """A verdict with the λ and the trial of its lane."""

    verdict: Verdict
    lam: float | None = None
    """None in a training loop whose λ is unknown."""
    trial: int = 0


def findings(verdicts: Iterable[LaneVerdict], trials: int = 1) -> list[Finding]:
    """Return one finding for each rule and λ, with the sentence of the trial that fired first.

    Args:
        verdicts: In any order; at most one for each rule and lane.
        trials: Number of trials of each λ so far, 1 or more.
    """
    groups: dict[tuple[int, str, float], list[LaneVerdict]] = {}
    for item in verdicts:
        rule, lam = item.verdict.rule, -1.0 if item.lam is None else item.lam
        groups.setdefault((rules.rank(rule), rule, lam), []).append(item)
    return [_finding(group, trials) for _, group in sorted(groups.items(), key=lambda g: g[0])]


def of_lane(item: LaneVerdict, trials: int) -> Finding:
    """Return the finding on a single lane; it names the trial if there are several."""
    named = trials > 1 and item.lam is not None
    return _with_sentence([item], item, _lane_sentence(item, item.trial if named else None))


def _lane_sentence(item: LaneVerdict, trial: int | None) -> str:
    verdict = item.verdict
    return wording.lane_sentence(
        verdict.observation, verdict.advice, epoch=verdict.epoch, lam=item.lam, trial=trial
    )


def _finding(group: list[LaneVerdict], trials: int) -> Finding:
    first = min(group, key=lambda item: (item.verdict.epoch, item.trial))
    if trials == 1:
        return _with_sentence(group, first, _lane_sentence(first, None))
    sentence = wording.trials_sentence(
        first.verdict.observation,
        first.verdict.advice,
        epoch=first.verdict.epoch,
        lam=first.lam,
        trial=first.trial,
        fired=len(group),
        trials=trials,
    )
    return _with_sentence(group, first, sentence)


def _with_sentence(group: list[LaneVerdict], first: LaneVerdict, sentence: str) -> Finding:
    verdict = first.verdict
    return Finding(
        probe=SOURCE,
        rule=verdict.rule,
        level=verdict.level,
        lam=first.lam,
        trials=tuple(sorted(item.trial for item in group)),
        epoch=verdict.epoch,
        members=verdict.members,
        number=verdict.number,
        limit=verdict.limit,
        sentence=sentence,
    )
