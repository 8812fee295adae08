"""Stagnation: members hardly move from initialization and have learned little."""

import math

import numpy as np
from numpy.typing import NDArray

from jtdiag.rules import limits, skill, wording
from jtdiag.rules.contract import Floats, History, Rule, Verdict


def relative_displacement(history: History) -> Floats:
    """Return each member's distance from initialization over the median, (M,); NaN if unknown."""
    unknown = np.full(history.members, np.nan)
    if history.displacement is None or history.members < 2:
        return unknown
    distance = history.displacement[-1]
    median = np.median(distance)  # NaN if any distance is
    return distance / median if median > 0 else unknown


def score(history: History) -> float:
    """Return the smallest distance from initialization over the median member's."""
    return float(relative_displacement(history).min())


def stagnant(history: History) -> NDArray[np.bool_]:
    """Return which members moved little and lack skill, (M,); none if either is unknown.

    Members with smaller initial weights move less and may have learned all the same.
    """
    lacks_skill = skill.shares(history) < limits.MEDIAN_SKILL
    return np.asarray((relative_displacement(history) < limits.STAGNATION) & lacks_skill)


def judge(history: History) -> Verdict | None:
    """Fire where a sufficient fraction of the members stagnates."""
    members = np.flatnonzero(stagnant(history))
    least = max(1, math.ceil(limits.STAGNANT_SHARE * history.members))
    if history.last < limits.EARLY_EPOCH or members.size < least:
        return None
    ratio = relative_displacement(history)[members]
    return Verdict(
        rule=RULE.name,
        level=history.level,
        epoch=history.last,
        number=float(ratio.min()),
        limit=limits.STAGNATION,
        members=tuple(int(member) for member in members),
        observation=wording.stagnation_observation(
            count=members.size,
            members=history.members,
            smallest=float(ratio.min()),
            limit=limits.STAGNATION,
            best_skill=float(skill.shares(history)[members].max()),
        ),
        advice=wording.stagnation_advice(history.last_lam),
    )


RULE = Rule(
    name="stagnation",
    compares=(
        "the smallest distance of a member from initialization, over the median member's, if at "
        f"least a fraction of {limits.STAGNANT_SHARE:g} of the members is below the limit and has "
        f"a share of the ensemble's skill below {limits.MEDIAN_SKILL:g}"
    ),
    limit=limits.STAGNATION,
    score=score,
    judge=judge,
)
