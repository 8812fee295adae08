"""Dominance: a few members fit the training set as well as the ensemble, the others do not."""

import numpy as np

from jtdiag.rules import limits, skill, wording
from jtdiag.rules.contract import History, Rule, Verdict


def score(history: History) -> float:
    """Return the share of the ensemble's skill that the median member but the leaders has."""
    return float(skill.others_skill(skill.shares(history)))


def judge(history: History) -> Verdict | None:
    """Fire where at most half of the members lead, and the others lack skill and stay so.

    Never at λ = 0: independent members that start slowly are not held back by a leader.
    """
    if not history.joint or history.members < 2 or history.last < limits.EARLY_EPOCH:
        return None
    share = skill.shares(history)
    leads = share >= limits.LEADER_SKILL
    leading, number = np.flatnonzero(leads), score(history)
    few = 0 < leading.size <= history.members / 2
    if not few or not number < limits.MEDIAN_SKILL or skill.still_learning(history, ~leads):
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=number,
        limit=RULE.limit,
        members=tuple(int(member) for member in leading),
        observation=_observation(history, leading, number),
        advice=wording.skill_advice(history.last_lam),
    )


def _observation(history: History, leading: np.ndarray, number: float) -> str:
    error = history.member_error[-1]
    others = np.setdiff1d(np.arange(history.members), leading)
    return wording.dominance_observation(
        leaders=leading.size,
        members=history.members,
        leader_error=float(error[leading].max()),
        others_error=float(np.median(error[others])),
        ensemble_error=float(history.ensemble_error[-1]),
        skill=number,
        limit=limits.MEDIAN_SKILL,
    )


RULE = Rule(
    name="dominance",
    compares=(
        "the share of the ensemble's skill on the training set that the median of all members but "
        f"the leaders has, if the leaders, whose shares are at least {limits.LEADER_SKILL:g}, are "
        "at most half of the members, and λ is not 0"
    ),
    limit=limits.MEDIAN_SKILL,
    score=score,
    judge=judge,
)
