"""Diversity explosion: members disagree about as much as a guess would, and cancel in the mean."""

import numpy as np

from jtdiag.rules.contract import History, Rule, Verdict
from jtdiag.rules.skill import EARLY_EPOCH

LIMIT = 0.73
"""Largest diversity (Eq. 5), over the loss of a guess: what told failed lanes from good ones best
at epoch 3 of the manual's study."""


def score(history: History) -> float:
    """Return the diversity in training over the loss of a guess; NaN where that is unknown."""
    if history.chance_loss is None or history.members < 2:
        return float("nan")
    return float(history.diversity[-1] / history.chance_loss)


def judge(history: History) -> Verdict | None:
    """Alert where the diversity comes near the loss of a guess, or beyond."""
    number = score(history)
    if history.last < EARLY_EPOCH or not np.isfinite(number) or number <= LIMIT:
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=number,
        limit=LIMIT,
        what=(
            f"the diversity in training is {history.diversity[-1]:.3g} nats, {number:.3g} times "
            f"the loss of a guess, more than {LIMIT:g}: members are far apart, and right only "
            "where they cancel"
        ),
        advice="Compare with a smaller λ, which rewards such distance less.",
    )


RULE = Rule(
    name="diversity-explosion",
    compares="the diversity in training over the loss of a guess",
    limit=LIMIT,
    score=score,
    judge=judge,
)
