"""Codependence: the ensemble fits the training data, none of its members does."""

from jtdiag.rules import skill
from jtdiag.rules.contract import History, Rule, Verdict


def judge(history: History) -> Verdict | None:
    """Alert where the median member lacks skill and nobody leads far enough to replace it."""
    if not skill.weak(history) or skill.leader_skill(history) >= skill.LEADER_LIMIT:
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=skill.median_skill(history),
        limit=RULE.limit,
        what=f"no member stands alone ({skill.in_words(history)})",
        advice=skill.advice(history),
    )


RULE = Rule(
    name="codependence",
    compares=(
        "the median member's share of the ensemble's skill, in training, where the best member's "
        f"is below {skill.LEADER_LIMIT:g}"
    ),
    limit=skill.SKILL_LIMIT,
    score=skill.median_skill,
    judge=judge,
)
