"""Over-capacity: members that fit the training data alone need no joint training."""

import numpy as np

from jtdiag.rules.contract import History, Rule, Verdict

LIMIT = 0.01
"""Training error of the median member, over that of a guess, below which it counts as none."""


def score(history: History) -> float:
    """Return the median member's training error over that of a guess."""
    return float(np.median(history.member_error[-1]) / history.chance_error)


def judge(history: History) -> Verdict | None:
    """Advise independent training where the median member has no training error left."""
    number = score(history)
    if history.members < 2 or history.last < 1 or not number < LIMIT:
        return None
    apart = history.lam is not None and history.lam[-1] == 0
    then = "" if apart else "; compare with λ = 0, which trains them apart"
    return Verdict(
        rule=RULE.name,
        level="info",
        epoch=history.last,
        number=number,
        limit=LIMIT,
        what=(
            "members fit the training data alone: the median member's training error is "
            f"{100 * float(np.median(history.member_error[-1])):.2g} %"
        ),
        advice=f"Such members gain nothing from joint training (Webb et al. 2020){then}.",
    )


RULE = Rule(
    name="over-capacity",
    compares="the median member's training error over that of a guess",
    limit=LIMIT,
    score=score,
    judge=judge,
)
