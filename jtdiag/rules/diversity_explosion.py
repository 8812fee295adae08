"""Diversity explosion: the diversity is about as large as the chance-level loss."""

import numpy as np

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import History, Rule, Verdict


def score(history: History) -> float:
    """Return the training diversity over the chance-level loss; NaN if that is unknown."""
    if not history.chance_loss or history.members < 2:
        return float("nan")
    return float(history.diversity[-1] / history.chance_loss)


def judge(history: History) -> Verdict | None:
    """Fire where the diversity comes close to the chance-level loss, or exceeds it."""
    ratio = score(history)
    early = history.last < limits.EARLY_EPOCH
    if early or not np.isfinite(ratio) or ratio <= limits.DIVERSITY:
        return None
    return Verdict(
        rule=RULE.name,
        level=history.level,
        epoch=history.last,
        number=ratio,
        limit=limits.DIVERSITY,
        observation=wording.diversity_observation(
            diversity=float(history.diversity[-1]), ratio=ratio, limit=limits.DIVERSITY
        ),
        advice=wording.diversity_advice(history.last_lam),
    )


RULE = Rule(
    name="diversity-explosion",
    compares="the diversity on the training set over the chance-level loss",
    limit=limits.DIVERSITY,
    score=score,
    judge=judge,
)
