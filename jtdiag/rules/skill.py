"""Skill of single members as a share of the ensemble's skill."""

import numpy as np

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import Floats, History


def skill_ratio(error: Floats, ensemble_error: Floats, chance: float) -> Floats:
    """Return (chance − error) / (chance − ensemble error), a member's share of the skill.

    1 for a member as good as the ensemble, 0 at chance level, negative below chance level. NaN
    where the ensemble itself is not better than chance.

    Args:
        error: (...), fraction of wrong predictions, or the family's own error measure.
        ensemble_error: (...), the same.
        chance: Chance-level error: 1 − 1/K for K classes of equal size; for other families, the
            error of the best constant prediction.
    """
    skill = chance - ensemble_error
    return np.where(skill > 0, (chance - error) / np.where(skill > 0, skill, 1.0), np.nan)


def median_skill(history: History) -> float:
    """Return the median member's share of the ensemble's skill after the last epoch."""
    return _share(history, np.median(history.member_error[-1]))


def leader_skill(history: History) -> float:
    """Return the best member's share of the ensemble's skill after the last epoch."""
    return _share(history, history.member_error[-1].min())


def _share(history: History, error: np.floating) -> float:
    ensemble = history.ensemble_error[-1]
    return float(skill_ratio(np.asarray(error), np.asarray(ensemble), history.chance_error))


def members_lack_skill(history: History) -> bool:
    """Return whether the median member lacks skill, from the early epoch on."""
    if history.members < 2 or history.last < limits.EARLY_EPOCH:
        return False
    return median_skill(history) < limits.MEDIAN_SKILL  # False for NaN


def shortfall(history: History) -> str:
    """Return the training errors and the median member's skill as text."""
    return wording.skill_shortfall(
        median_error=float(np.median(history.member_error[-1])),
        best_error=float(history.member_error[-1].min()),
        ensemble_error=float(history.ensemble_error[-1]),
        skill=median_skill(history),
        limit=limits.MEDIAN_SKILL,
    )
