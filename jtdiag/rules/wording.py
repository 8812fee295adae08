"""Sentences of the built-in rules.

Functions named `…_observation` return the part of a sentence that follows "after epoch 3, "; those
named `…_advice` return complete sentences.
"""

import math

INDEPENDENT = "λ = 0, independent training"


def skill_shortfall(
    *, median_error: float, best_error: float, ensemble_error: float, skill: float, limit: float
) -> str:
    """Return the training errors of members and ensemble, and the median member's skill.

    Args:
        median_error: Of the median member, as a fraction.
        best_error: Of the best member.
        ensemble_error: Of the ensemble.
        skill: The median member's share of the ensemble's skill.
        limit: The limit that the share is below.
    """
    return (
        f"training error: median member {_percent(median_error)}, best member "
        f"{_percent(best_error)}, ensemble {_percent(ensemble_error)}; the median member has "
        f"{_percent(skill)} of the ensemble's skill, below the limit of {_percent(limit)}"
    )


def dominance_observation(shortfall: str) -> str:
    """Return that one member dominates, with its evidence (`skill_shortfall`)."""
    return f"one member dominates the ensemble ({shortfall})"


def codependence_observation(shortfall: str) -> str:
    """Return that all members are weak, with the evidence (`skill_shortfall`)."""
    return f"no member performs well on its own ({shortfall})"


def skill_advice(lam: float | None) -> str:
    """Return what to compare with where members lack skill.

    Args:
        lam: λ with which the last epoch was trained; None if unknown.
    """
    if lam == 0:
        baseline = "larger members or longer training"
    elif lam is not None and lam <= 0.9:
        baseline = "a smaller λ"
    else:
        baseline = "λ = 0.9 or independent training"
    return (
        f"Compare with {baseline}. Measure single members with the probe dominance and missing "
        "members with the probe robustness."
    )


def stagnation_observation(*, count: int, members: int, smallest: float, limit: float) -> str:
    """Return how many members hardly moved from their initialization.

    Args:
        count: Members below the limit.
        members: All members.
        smallest: Smallest distance from initialization, over the median member's.
        limit: The limit.
    """
    return (
        f"{count} of {members} members hardly moved from initialization: the smallest distance "
        f"is {_percent(smallest)} of the median member's, below the limit of {_percent(limit)}"
    )


def stagnation_advice(lam: float | None) -> str:
    """Return what to compare with where members stagnate."""
    smaller = "" if lam == 0 else "a smaller λ, or with "
    return f"Compare with {smaller}fewer members of the same total size."


def diversity_observation(*, diversity: float, ratio: float, limit: float) -> str:
    """Return how large the diversity on the training set is.

    Args:
        diversity: In nats.
        ratio: Diversity over the chance-level loss.
        limit: The limit of the ratio.
    """
    return (
        f"the diversity on the training set (mean member loss minus ensemble loss) is "
        f"{diversity:.3g} nats, {ratio:.3g} times the chance-level loss and above the limit of "
        f"{limit:g}"
    )


def diversity_advice(lam: float | None) -> str:
    """Return what to compare with where diversity is large."""
    if lam == 0:
        return "Compare with a smaller learning rate or larger members."
    return "Compare with a smaller λ, which gives diversity less weight in the loss."


def increasing_loss_observation(*, before: float, after: float, ratio: float) -> str:
    """Return that the training loss increases above chance level.

    Args:
        before: Loss of the previous epoch, nats.
        after: Loss of the last epoch, nats.
        ratio: The latter over the chance-level loss.
    """
    return (
        f"the training loss increased from {before:.3g} to {after:.3g} nats and is {ratio:.3g} "
        "times the chance-level loss"
    )


def not_finite_observation(*, count: int, members: int) -> str:
    """Return whose training loss is not finite: some members', or only the ensemble's (count 0)."""
    owner = f"{count} of {members} members" if count else "the ensemble"
    return f"the training loss of {owner} is not finite"


def divergence_advice() -> str:
    """Return what to change where training diverges."""
    return "Lower train.lr, or clip gradients with train.clip."


def over_capacity_observation(median_error: float) -> str:
    """Return that members need no joint training to fit the training set.

    Args:
        median_error: Training error of the median member, as a fraction.
    """
    return (
        "members fit the training set on their own: the median member's training error is "
        f"{100 * median_error:.2g} %"
    )


def over_capacity_advice(lam: float | None) -> str:
    """Return what to compare with where members have enough capacity."""
    baseline = "" if lam == 0 else f"; compare with {INDEPENDENT}"
    return f"Webb et al. (2020) report no benefit of joint training for such members{baseline}."


def _percent(fraction: float) -> str:
    """Return "48 %"; an error of a diverged member may be too large for a number."""
    if not math.isfinite(fraction):
        return "not finite"
    return f"{round(100 * fraction)} %".replace("-", "−")
