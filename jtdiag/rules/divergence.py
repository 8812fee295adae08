"""Divergence: losses that are not finite, or that have increased to above chance level."""

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
    if not history.chance_loss:
        return float("nan")
    return float(objective(history)[-1] / history.chance_loss)


def judge(history: History) -> Verdict | None:
    """Fire where a loss is not finite, or above chance level and far above its lowest value.

    The loss of members that have not learned anything yet varies around chance level, and the
    first epochs may be unstable, so neither is divergence.
    """
    diverged = np.flatnonzero(~np.isfinite(history.member_loss[-1]))
    ratio = score(history)
    if diverged.size or not np.isfinite(history.ensemble_loss[-1]) or np.isinf(ratio):
        return _not_finite(history, diverged)
    trained = objective(history)[history.epoch > 0]
    if trained.size < 2 or not ratio > limits.INCREASING_LOSS:
        return None
    lowest, before, after = np.nanmin(trained), *trained[-2:]
    if after <= before or after - lowest <= limits.LOSS_INCREASE * (history.chance_loss or 0.0):
        return None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=ratio,
        limit=limits.INCREASING_LOSS,
        observation=wording.increasing_loss_observation(
            lowest=float(lowest), after=float(after), ratio=ratio
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
        "the training loss over the chance-level loss, if it increased in the last epoch and, by "
        f"more than {limits.LOSS_INCREASE:g} times the chance-level loss, since its lowest value; "
        "the number of members whose loss is not finite is compared with 0"
    ),
    limit=limits.INCREASING_LOSS,
    score=score,
    judge=judge,
)
