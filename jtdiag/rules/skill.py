"""Skill of members alone, as a share of the ensemble's: what tells a member from a part."""

import numpy as np

from jtdiag.rules.contract import Floats, History

EARLY_EPOCH = 3
"""Webb et al. 2020, with Fig. 6: by epoch 3 one can see how end-to-end training will end."""
SKILL_LIMIT = 0.48
"""Least share of the ensemble's skill that the median member must have alone, in training. Set by
the manual's study of the early diagnosis: what told failed lanes from good ones best at epoch 3."""
LEADER_LIMIT = 0.75
"""Share of the ensemble's skill from which a leader counts as carrying the ensemble alone.
Too few lanes of the study were dominated to set it."""


def skill_ratio(error: Floats, ensemble_error: Floats, chance: float) -> Floats:
    """Return (chance − error) / (chance − ensemble error), the skill kept when standing alone.

    1 when a member is as good as the ensemble, 0 when it guesses, negative when it is worse
    than a guess. NaN while the ensemble itself is no better than chance: then nobody has skill.

    Args:
        error: (...), fraction wrong, or in the family's own measure.
        ensemble_error: (...), the same.
        chance: Error without skill: 1 − 1/K for K classes of equal size, for other families that
            of the best prediction equal for all.
    """
    skill = chance - ensemble_error
    return np.where(skill > 0, (chance - error) / np.where(skill > 0, skill, 1.0), np.nan)


def median_skill(history: History) -> float:
    """Return the median member's skill over the ensemble's, after the last epoch."""
    return _last(history, np.median(history.member_error[-1]))


def leader_skill(history: History) -> float:
    """Return the best member's skill over the ensemble's, after the last epoch."""
    return _last(history, history.member_error[-1].min())


def _last(history: History, error: np.floating) -> float:
    ensemble = history.ensemble_error[-1]
    return float(skill_ratio(np.asarray(error), np.asarray(ensemble), history.chance_error))


def weak(history: History) -> bool:
    """Tell whether, from the early epoch on, members lack the skill that the ensemble has."""
    if history.members < 2 or history.last < EARLY_EPOCH:
        return False
    return median_skill(history) < SKILL_LIMIT  # False where it is NaN


def in_words(history: History) -> str:
    """Return the three training errors in percent, and the skill that they come to."""
    median = 100 * float(np.median(history.member_error[-1]))
    best, ensemble = 100 * float(history.member_error[-1].min()), 100 * history.ensemble_error[-1]
    return (
        f"training error {median:.0f} % for the median member, {best:.0f} % for the best, "
        f"{ensemble:.0f} % for the ensemble; the median member has "
        f"{100 * median_skill(history):.0f} % of the ensemble's skill, "
        f"less than {100 * SKILL_LIMIT:.0f} %"
    )


def advice(history: History) -> str:
    """Return what to expect and to do where members do not stand alone."""
    smaller = history.lam is not None and history.lam[-1] <= 0.9
    other = "a smaller λ" if smaller else "λ = 0.9 or independent training"
    return (
        "Expect little of members alone and an ensemble that breaks when some of them fail; "
        f"compare with {other}."
    )
