"""Divergence: losses that are not finite, or that increase above chance level."""

import numpy as np

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import Floats, History, Rule, Verdict


def objective(history: History) -> Floats:
    """Return the loss that training minimizes, Eq. 4, (E,); the ensemble's if λ is unknown."""
    if history.lam is None:
        return history.ensemble_loss
    lam, mean = history.lam, history.member_loss.mean(1)
    return lam * history.ensemble_loss + (1 - lam) * mean


def score(history: History) -> float:
    """Return the loss that training minimizes over the chance-level loss; NaN if unknown."""
    if history.chance_loss is None:
        return float("nan")
    return float(objective(history)[-1] / history.chance_loss)


def judge(history: History) -> Verdict | None:
    """Fire where a loss is not finite, or above chance level and larger than before."""
    diverged = np.flatnonzero(~np.isfinite(history.member_loss[-1]))
    ratio = score(history)
    if diverged.size or not np.isfinite(history.ensemble_loss[-1]) or np.isinf(ratio):
        return _not_finite(history, diverged)
    if history.epoch.size < 2 or history.epoch[-2] < 1 or not ratio > limits.INCREASING_LOSS:
        return None
    before, after = objective(history)[-2:]
    if after <= before:
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=ratio,
        limit=limits.INCREASING_LOSS,
        observation=wording.increasing_loss_observation(
            before=float(before), after=float(after), ratio=ratio
        ),
        advice=wording.divergence_advice(),
    )


def _not_finite(history: History, diverged: np.ndarray) -> Verdict:
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=float(max(1, diverged.size)),
        limit=0.0,
        members=tuple(int(member) for member in diverged),
        observation=wording.not_finite_observation(count=diverged.size, members=history.members),
        advice=wording.divergence_advice(),
    )


RULE = Rule(
    name="divergence",
    compares=(
        "the training loss over the chance-level loss, if it increased; the number of members "
        "whose loss is not finite is compared with 0"
    ),
    limit=limits.INCREASING_LOSS,
    score=score,
    judge=judge,
)
