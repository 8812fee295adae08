"""Sentences of the built-in rules.

Functions named `…_observation` return the part of a sentence that follows "after epoch 3, "; those
named `…_advice` return complete sentences.
"""

import math
from collections.abc import Callable

INDEPENDENT = "λ = 0, independent training"
LOW_ERROR = 0.0095
"""Errors below this are written with one significant digit, others in whole percent."""
MOST_DIGITS = 12
"""Additional digits to try until a value and its limit differ."""


def dominance_observation(
    *,
    leaders: int,
    members: int,
    leader_error: float,
    others_error: float,
    ensemble_error: float,
    skill: float,
    limit: float,
) -> str:
    """Return that one or a few members dominate, with the training errors.

    Args:
        leaders: Number of members that dominate, 1 or more.
        members: All members.
        leader_error: The highest training error of a leader, as a fraction.
        others_error: Of the median member among the others; of the other member, if it is one.
        ensemble_error: Of the ensemble.
        skill: The others' median share of the ensemble's skill.
        limit: The limit that the share is below.
    """
    if leaders == 1:
        subject, leading = "one member dominates", f"that member {_error(leader_error)}"
    else:
        subject = f"{leaders} of {members} members dominate"
        leading = f"those members at most {_error(leader_error)}"
    others = "the other member" if members - leaders == 1 else "the median of the others"
    number, bound = _apart(skill, limit)
    return (
        f"{subject} the ensemble (training error: {leading}, {others} {_error(others_error)}, "
        f"ensemble {_error(ensemble_error)}; {others} has {number} of the ensemble's skill, "
        f"below the limit of {bound})"
    )


def codependence_observation(
    *, median_error: float, best_error: float, ensemble_error: float, skill: float, limit: float
) -> str:
    """Return that all members are weak, with the training errors.

    Args:
        median_error: Of the median member, as a fraction.
        best_error: Of the best member.
        ensemble_error: Of the ensemble.
        skill: The median member's share of the ensemble's skill.
        limit: The limit that the share is below.
    """
    number, bound = _apart(skill, limit)
    return (
        f"no member performs well on its own (training error: median member "
        f"{_error(median_error)}, best member {_error(best_error)}, ensemble "
        f"{_error(ensemble_error)}; the median member has {number} of the ensemble's skill, "
        f"below the limit of {bound})"
    )


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
    below_one = lam is not None and 0 < lam < 1
    later = "Below λ = 1, members may still catch up: look at later epochs too. " * below_one
    return (
        f"{later}Compare with {baseline}. Measure single members with the probe dominance and "
        "missing members with the probe robustness."
    )


def stagnation_observation(
    *, count: int, members: int, smallest: float, limit: float, best_skill: float
) -> str:
    """Return how many members hardly moved from their initialization and have learned little.

    Args:
        count: Members below the limit.
        members: All members.
        smallest: Smallest distance from initialization, over the median member's.
        limit: The limit.
        best_skill: Largest share of the ensemble's skill that one of these members has.
    """
    number, bound = _apart(smallest, limit)
    at_most = "at most " if count > 1 else ""
    verb = "has" if count == 1 else "have"
    return (
        f"{count} of {members} members {verb} hardly moved from initialization and learned little: "
        f"the smallest distance is {number} of the median member's, below the limit of {bound}, "
        f"with {at_most}{_percent(best_skill)} of the ensemble's skill"
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
    number, bound = _apart(ratio, limit, lambda value, digits: f"{value:.{digits + 3}g}")
    return (
        f"the diversity on the training set (mean member loss minus ensemble loss) is "
        f"{diversity:.3g} nats, {number} times the chance-level loss and above the limit of {bound}"
    )


def diversity_advice(lam: float | None) -> str:
    """Return what to compare with where diversity is large."""
    if lam == 0:
        return "Compare with a smaller learning rate or larger members."
    return "Compare with a smaller λ, which gives diversity less weight in the loss."


def increasing_loss_observation(*, lowest: float, after: float, ratio: float) -> str:
    """Return that the training loss has increased to above chance level.

    Args:
        lowest: Its lowest value after a previous epoch, nats.
        after: Its value after the last epoch, nats.
        ratio: The latter over the chance-level loss.
    """
    number, _ = _apart(ratio, 1.0, lambda value, digits: f"{value:.{digits + 3}g}")
    return (
        f"the training loss increased from {lowest:.3g} nats, its lowest value so far, to "
        f"{after:.3g} nats, {number} times the chance-level loss"
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


def dead_rows_observation(
    *, module: str, count: int, members: int, share: float, limit: float
) -> str:
    """Return that a module returns only zeros for some examples.

    Args:
        module: The module with the largest share.
        count: Members in which a module has a share above the limit.
        members: All members.
        share: The largest share of the training examples.
        limit: The limit that it is above.
    """
    number, bound = _apart(share, limit)
    of_members = "" if members == 1 else f" in {count} of {members} members,"
    up_to = "for" if count == 1 else "for up to"
    return (
        f"module {module} returns only zeros{of_members} {up_to} {number} of the training examples "
        f"(limit {bound}): the layers after it cannot tell these apart, and they give it no "
        "gradient"
    )


def dead_rows_advice() -> str:
    """Return what to change where modules return only zeros."""
    return 'Compare with members.norm = "batch", a lower train.lr, or wider layers.'


def stagnant_module_observation(
    *, module: str, before: str, error: float, error_before: float, excess: float, limit: float
) -> str:
    """Return that the local head of a module errs more than that of the module before it.

    Args:
        module: The later module.
        before: The module before it.
        error: Training error of the later one's local head, mean over members.
        error_before: Of the other one.
        excess: Their difference in standard errors.
        limit: The limit that it is above.
    """
    number, bound = _apart(excess, limit, lambda value, digits: f"{value:.{digits + 1}f}")
    later, earlier = _apart(error, error_before, _error_with)
    return (
        f"module {module} is no better than module {before} before it: the training error of its "
        f"local head is {later}, and that of the other {earlier} (a difference of {number} "
        f"standard errors, above the limit of {bound})"
    )


def stagnant_module_advice() -> str:
    """Return what to compare with where a module is no better than the one before it."""
    return (
        "Compare with fewer or wider layers, or with a larger modules.mu. Measure what each layer "
        "knows with the probe layers."
    )


def synthetic_useless_observation(
    *, module: str, highest: float, limit: float, epochs: int, error: float
) -> str:
    """Return that a synthesiser explains nothing of the gradient that it predicts.

    Args:
        module: The module that follows it.
        highest: Its highest R² in the epochs that count.
        limit: The limit that it is below.
        epochs: Their number.
        error: Training error of the ensemble.
    """
    number, bound = _apart(highest, limit, lambda value, digits: f"{value:.{digits + 2}f}")
    return (
        f"the synthetic gradients of module {module} explain nothing of the gradients that they "
        f"predict: R² was at most {number.replace('-', '−')} in the last {epochs} epochs, below "
        f"the limit of {bound}, and the ensemble's training error is {_error(error)}"
    )


def synthetic_useless_advice() -> str:
    """Return what to change where synthetic gradients explain nothing."""
    return (
        "Measure with the probe credit whether they have the right direction at least. Compare "
        "with modules.label = true, another modules.auxiliary_rate, a lower train.lr, or a larger "
        "modules.mu."
    )


def _error(fraction: float) -> str:
    """Return an error in percent, such as "12 %" or, of a rare class, "0.08 %"."""
    return f"{100 * fraction:.1g} %" if 0 < fraction < LOW_ERROR else _percent(fraction)


def _error_with(fraction: float, digits: int) -> str:
    """Return an error in percent with additional digits."""
    return _percent(fraction, digits) if digits else _error(fraction)


def _percent(fraction: float, digits: int = 0) -> str:
    """Return "48 %"; an error of a diverged member may be too large for a number."""
    if not math.isfinite(fraction):
        return "not finite"
    text = f"{round(100 * fraction, digits):.{digits}f} %"
    return text.replace("-", "") if float(text[:-2]) == 0 else text.replace("-", "−")


def _apart(
    value: float, limit: float, text: Callable[[float, int], str] = _percent
) -> tuple[str, str]:
    """Return a value and its limit with as many digits as it takes to tell them apart."""
    for digits in range(MOST_DIGITS):
        written = text(value, digits), text(limit, digits)
        if written[0] != written[1]:
            break
    return written
