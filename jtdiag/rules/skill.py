"""Skill of single members as a share of the ensemble's skill, and who leads."""

import math

import numpy as np
from numpy.typing import NDArray

from jtdiag.rules import limits
from jtdiag.rules.contract import Floats, History


def skill_ratio(error: Floats, ensemble_error: Floats, chance: float) -> Floats:
    """Return (chance − error) / (chance − ensemble error), a member's share of the skill.

    1 for a member as good as the ensemble, 0 at chance level, negative below chance level. NaN
    where the ensemble itself is not better than chance.

    Args:
        error: (...), fraction of wrong predictions, or the family's own error measure.
        ensemble_error: (...), the same.
        chance: Chance-level error: that of the best constant prediction.
    """
    skill = chance - ensemble_error
    return np.where(skill > 0, (chance - error) / np.where(skill > 0, skill, 1.0), np.nan)


def leaders(share: Floats) -> NDArray[np.bool_]:
    """Return which members (..., M) lead, by their shares of the ensemble's skill.

    These are the members whose share is at least `limits.LEADER_SKILL`, and in any case the best
    one with all that are equally good.
    """
    best = share.max(-1, keepdims=True, initial=-np.inf)
    return np.asarray(share >= np.minimum(best, limits.LEADER_SKILL))


def others_skill(share: Floats) -> Floats:
    """Return the median share of all members but the leaders, (...), from shares (..., M).

    At most half of the members are left out, the best ones, so that somebody remains. NaN for a
    single member, and where shares are.
    """
    members = share.shape[-1]
    if members < 2:
        return np.full(share.shape[:-1], np.nan)
    left_out = np.minimum(np.sum(leaders(share), -1, keepdims=True), members // 2)
    ranked = -np.sort(-share, axis=-1)
    others = np.where(np.arange(members) < left_out, np.nan, ranked)
    known = np.asarray(~np.isnan(share).any(-1, keepdims=True))
    median = np.nanmedian(np.where(known, others, 0.0), axis=-1)
    return np.where(known[..., 0], median, np.nan)


# --- after the last epoch of a history -----------------------------------------------------------


def shares(history: History) -> Floats:
    """Return each member's share of the ensemble's skill, (M,).

    NaN if the ensemble has learned too little to compare its members with it.
    """
    if not has_learned(history):
        return np.full(history.members, np.nan)
    return skill_ratio(
        history.member_error[-1], np.asarray(history.ensemble_error[-1]), history.chance_error
    )


def has_learned(history: History) -> bool:
    """Return whether the ensemble is better than chance level by more than `least_skill`."""
    skill = history.chance_error - history.ensemble_error[-1]
    return bool(skill > least_skill(history))  # False for NaN


def least_skill(history: History) -> float:
    """Return the improvement over chance level beyond which members are compared.

    The larger of `limits.LEAST_SKILL` of the chance-level error and, if the number of training
    examples is known, `limits.LEAST_SKILL_SE` binomial standard errors of the ensemble's error.
    """
    share = limits.LEAST_SKILL * history.chance_error
    if history.examples is None:
        return share
    error = min(1.0, max(0.0, float(history.ensemble_error[-1])))
    return max(share, limits.LEAST_SKILL_SE * math.sqrt(error * (1 - error) / history.examples))


def still_learning(history: History, members: NDArray[np.bool_]) -> bool:
    """Return whether the median training error of some members (M,) decreased in the last epoch.

    By more than `limits.IMPROVEMENT` of the chance-level error; False if there is no epoch before.
    """
    if history.epoch.size < 2:
        return False
    before, after = np.median(history.member_error[-2:, members], axis=1)
    return bool(before - after > limits.IMPROVEMENT * history.chance_error)


def median_skill(history: History) -> float:
    """Return the median member's share of the ensemble's skill."""
    return float(np.median(shares(history)))


def leader_skill(history: History) -> float:
    """Return the best member's share of the ensemble's skill."""
    return float(shares(history).max())
