"""Stagnation: some members' parameters hardly move from initialization."""

import numpy as np

from jtdiag.rules import limits, wording
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


def judge(history: History) -> Verdict | None:
    """Fire where members moved much less than the median member."""
    ratio = relative_displacement(history)
    stagnant = np.flatnonzero(ratio < limits.STAGNATION)
    if history.last < limits.EARLY_EPOCH or stagnant.size == 0:
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=float(ratio.min()),
        limit=limits.STAGNATION,
        members=tuple(int(member) for member in stagnant),
        observation=wording.stagnation_observation(
            count=stagnant.size,
            members=history.members,
            smallest=float(ratio.min()),
            limit=limits.STAGNATION,
        ),
        advice=wording.stagnation_advice(history.last_lam),
    )


RULE = Rule(
    name="stagnation",
    compares="the smallest distance of a member from initialization, over the median member's",
    limit=limits.STAGNATION,
    score=score,
    judge=judge,
)
