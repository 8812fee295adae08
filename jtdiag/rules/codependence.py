"""Codependence: the ensemble fits the training set, none of its members does."""

import numpy as np

from jtdiag.rules import limits, skill, wording
from jtdiag.rules.contract import History, Rule, Verdict


def judge(history: History) -> Verdict | None:
    """Fire where the median member lacks skill and stays so, and no member leads."""
    if history.members < 2 or history.last < limits.EARLY_EPOCH:
        return None
    number, everybody = skill.median_skill(history), np.ones(history.members, bool)
    if not number < limits.MEDIAN_SKILL or skill.leader_skill(history) >= limits.LEADER_SKILL:
        return None
    if skill.still_learning(history, everybody):
        return None
    return Verdict(
        rule=RULE.name,
        level=history.level,
        epoch=history.last,
        number=number,
        limit=RULE.limit,
        observation=_observation(history, number),
        advice=wording.skill_advice(history.last_lam),
    )


def _observation(history: History, number: float) -> str:
    return wording.codependence_observation(
        median_error=float(np.median(history.member_error[-1])),
        best_error=float(history.member_error[-1].min()),
        ensemble_error=float(history.ensemble_error[-1]),
        skill=number,
        limit=limits.MEDIAN_SKILL,
    )


RULE = Rule(
    name="codependence",
    compares=(
        "the median member's share of the ensemble's skill on the training set, if the best "
        f"member's share is below {limits.LEADER_SKILL:g}"
    ),
    limit=limits.MEDIAN_SKILL,
    score=skill.median_skill,
    judge=judge,
)
