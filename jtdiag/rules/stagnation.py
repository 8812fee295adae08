"""Stagnation: members whose parameters hardly move while the others' do."""

import numpy as np

from jtdiag.rules.contract import Floats, History, Rule, Verdict
from jtdiag.rules.skill import EARLY_EPOCH

LIMIT = 0.46
"""Least distance from where it began that a member must have come, over the median member's:
at most one good lane in twenty of those that set it is below (the manual's study)."""


def relative(history: History) -> Floats:
    """Return how far each member has come over the median member, (M,); NaN where unknown."""
    unknown = np.full(history.members, np.nan)
    if history.displacement is None or history.members < 2:
        return unknown
    last = history.displacement[-1]
    median = np.median(last)  # NaN where one is
    return last / median if median > 0 else unknown


def score(history: History) -> float:
    """Return how far the member that moved least has come, over the median member."""
    return float(relative(history).min())


def judge(history: History) -> Verdict | None:
    """Alert where a member has come less than a share of the median member's way."""
    moved = relative(history)
    still = np.flatnonzero(moved < LIMIT)
    if history.last < EARLY_EPOCH or still.size == 0:
        return None
    move = "moves" if still.size == 1 else "move"
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=float(moved.min()),
        limit=LIMIT,
        members=tuple(int(m) for m in still),
        what=(
            f"{still.size} of {history.members} members {move} little: the parameters of the one "
            f"that moved least came {100 * moved.min():.0f} % as far from where they began as the "
            f"median member's, less than {100 * LIMIT:.0f} %"
        ),
        advice=(
            "Such members add parameters and no knowledge; compare with a smaller λ, or with fewer "
            "members of the same total size."
        ),
    )


RULE = Rule(
    name="stagnation",
    compares="the least distance of a member's parameters from where they began, over the median",
    limit=LIMIT,
    score=score,
    judge=judge,
)
