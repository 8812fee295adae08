"""Dominance: one member fits the training set, the median member does not."""

import numpy as np

from jtdiag.rules import limits, skill, wording
from jtdiag.rules.contract import History, Rule, Verdict


def judge(history: History) -> Verdict | None:
    """Fire where the median member lacks skill and the best one has nearly all of it."""
    if not skill.members_lack_skill(history):
        return None
    if skill.leader_skill(history) < limits.LEADER_SKILL:
        return None
    leader = int(np.lexsort((history.member_loss[-1], history.member_error[-1]))[0])
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=skill.median_skill(history),
        limit=RULE.limit,
        members=(leader,),
        observation=wording.dominance_observation(skill.shortfall(history)),
        advice=wording.skill_advice(history.last_lam),
    )


RULE = Rule(
    name="dominance",
    compares=(
        "the median member's share of the ensemble's skill on the training set, if the best "
        f"member's share is at least {limits.LEADER_SKILL:g}"
    ),
    limit=limits.MEDIAN_SKILL,
    score=skill.median_skill,
    judge=judge,
)
