"""Sentences of the findings of the probe `dominance`."""

from jtdiag import stats


def effective_members(lam: float, number: float, members: int) -> str:
    """State the effective number of members.

    Args:
        lam: λ.
        number: 1/Σ share², mean over trials.
        members: Number of members M.
    """
    return (
        f"λ = {lam:g}: by their shares of the ensemble's logits, the effective number of members "
        f"is {number:.3g} of {members}."
    )


def error_spread(lam: float, ratio: float, gap: float, gap_se: float, gini: float) -> str:
    """State how unequal the members' errors are.

    Args:
        lam: λ.
        ratio: The best member's error over the median member's.
        gap: The best member's error minus the ensemble's, in percentage points.
        gap_se: Its standard error over trials; NaN for a single trial.
        gini: Gini coefficient of the members' errors.
    """
    side = "above" if gap >= 0 else "below"
    points = stats.plus_minus(abs(gap), gap_se, ".1f", "percentage points")
    return (
        f"λ = {lam:g}: on test, the best member's error is {ratio:.2g} times the median member's "
        f"and {points} {side} the ensemble's; the Gini coefficient of the members' errors is "
        f"{gini:.2g}."
    )


def least_moved(lam: float, epoch: int, percent: float, percent_se: float) -> str:
    """State the smallest distance of a member's parameters from initialization.

    Args:
        lam: λ.
        epoch: Epoch of the checkpoint.
        percent: The smallest distance over the median member's, in percent.
        percent_se: Its standard error over trials; NaN for a single trial.
    """
    share = stats.plus_minus(percent, percent_se, ".1f", "%")
    return (
        f"λ = {lam:g}: at epoch {epoch}, the smallest distance of a member's parameters from "
        f"initialization is {share} of the median member's."
    )


def early_leader(
    lam: float, early_epoch: int, held: int, trials: int, members: int, since: float
) -> str:
    """State how often the early leader is the final leader, with the exact interval.

    Args:
        lam: λ.
        early_epoch: Epoch at which the early leader is determined.
        held: Trials in which it is the leader at the end.
        trials: All finished trials.
        members: Number of members M.
        since: First epoch from which on the final leader leads, median over trials.
    """
    low, high = (100 * float(end) for end in stats.clopper_pearson(held, trials))
    plural = "" if trials == 1 else "s"
    typical = "" if trials == 1 else " (median over trials)"
    return (
        f"λ = {lam:g}: the member with the lowest training error after epoch {early_epoch} also "
        f"has the lowest at the end in {held} of {trials} trial{plural} (chance level: 1 in "
        f"{members}; exact 95 % confidence interval: {low:.0f} to {high:.0f} %). The final leader "
        f"leads from epoch {since:g} on{typical}."
    )
