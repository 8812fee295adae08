"""Codependence: the ensemble fits the training set, none of its members does."""

from jtdiag.rules import limits, skill, wording
from jtdiag.rules.contract import History, Rule, Verdict


def judge(history: History) -> Verdict | None:
    """Fire where the median member lacks skill and the best one does not dominate."""
    if not skill.members_lack_skill(history):
        return None
    if skill.leader_skill(history) >= limits.LEADER_SKILL:
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=skill.median_skill(history),
        limit=RULE.limit,
        observation=wording.codependence_observation(skill.shortfall(history)),
        advice=wording.skill_advice(history.last_lam),
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
