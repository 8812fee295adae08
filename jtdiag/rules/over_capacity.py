"""Over-capacity: members fit the training set on their own and need no joint training."""

import numpy as np

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import History, Rule, Verdict


def score(history: History) -> float:
    """Return the median member's training error over the chance-level error.

    NaN if that is 0: all training examples are of one class, and there is nothing to learn.
    """
    if history.chance_error <= 0:
        return float("nan")
    return float(np.median(history.member_error[-1]) / history.chance_error)


def judge(history: History) -> Verdict | None:
    """Fire where the median member has practically no training error left."""
    ratio = score(history)
    if history.members < 2 or history.last < 1 or not ratio < limits.TRAINING_ERROR:
        return None
    return Verdict(
        rule=RULE.name,
        level="info",
        epoch=history.last,
        number=ratio,
        limit=limits.TRAINING_ERROR,
        observation=wording.over_capacity_observation(float(np.median(history.member_error[-1]))),
        advice=wording.over_capacity_advice(history.last_lam),
    )


RULE = Rule(
    name="over-capacity",
    compares="the median member's training error over the chance-level error",
    limit=limits.TRAINING_ERROR,
    score=score,
    judge=judge,
)
