"""Divergence: losses that are no number, or above that of a guess and growing."""

import numpy as np

from jtdiag.rules.contract import Floats, History, Rule, Verdict

LIMIT = 1.0
"""Loss over the loss of a guess above which a loss may not grow."""
_ADVICE = "Lower train.lr, or bound the gradient with train.clip; what follows is not worth it."


def descended(history: History) -> Floats:
    """Return the loss that training descends, Eq. 4, (E,); the ensemble's where λ is unknown."""
    if history.lam is None:
        return history.ensemble_loss
    lam, mean = history.lam, history.member_loss.mean(1)
    return lam * history.ensemble_loss + (1 - lam) * mean


def score(history: History) -> float:
    """Return the loss that training descends over the loss of a guess."""
    if history.chance_loss is None:
        return float("nan")
    return float(descended(history)[-1] / history.chance_loss)


def judge(history: History) -> Verdict | None:
    """Alert where a loss is not finite, or above that of a guess and larger than before."""
    bad = np.flatnonzero(~np.isfinite(history.member_loss[-1]))
    number = score(history)
    if bad.size or not np.isfinite(history.ensemble_loss[-1]) or np.isinf(number):
        return _not_finite(history, bad)
    if history.epoch.size < 2 or history.epoch[-2] < 1 or not number > LIMIT:
        return None
    loss = descended(history)
    if loss[-1] <= loss[-2]:
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=number,
        limit=LIMIT,
        what=(
            f"the training loss grows, from {loss[-2]:.3g} to {loss[-1]:.3g} nats, and is "
            f"{number:.3g} times that of a guess"
        ),
        advice=_ADVICE,
    )


def _not_finite(history: History, bad: np.ndarray) -> Verdict:
    who = f"{bad.size} of {history.members} members" if bad.size else "the ensemble"
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=float(max(1, bad.size)),
        limit=0.0,
        members=tuple(int(m) for m in bad),
        what=f"the training loss of {who} is infinite or no number",
        advice=_ADVICE,
    )


RULE = Rule(
    name="divergence",
    compares="members whose loss is not finite; or a loss that grows, over the loss of a guess",
    limit=LIMIT,
    score=score,
    judge=judge,
)
