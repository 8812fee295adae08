"""Dominance: one member fits the training data, the median member does not."""

import numpy as np

from jtdiag.rules import skill
from jtdiag.rules.contract import History, Rule, Verdict


def judge(history: History) -> Verdict | None:
    """Alert where the median member lacks skill and the leader has nearly all of it."""
    if not skill.weak(history) or skill.leader_skill(history) < skill.LEADER_LIMIT:
        return None
    leader = int(np.lexsort((history.member_loss[-1], history.member_error[-1]))[0])
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=skill.median_skill(history),
        limit=RULE.limit,
        members=(leader,),
        what=f"one member carries the ensemble ({skill.in_words(history)})",
        advice=skill.advice(history),
    )


RULE = Rule(
    name="dominance",
    compares=(
        "the median member's share of the ensemble's skill, in training, where the best member's "
        f"is at least {skill.LEADER_LIMIT:g}"
    ),
    limit=skill.SKILL_LIMIT,
    score=skill.median_skill,
    judge=judge,
)
