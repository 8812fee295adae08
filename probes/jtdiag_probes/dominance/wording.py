"""Sentences of the findings of the probe `dominance`."""

from jtdiag import stats
from jtdiag.names import lam_text
from jtdiag.stats import Interval, with_interval


def effective_members(
    lam: float,
    epoch: int,
    number: Interval,
    *,
    members: int,
    largest: Interval,
    second: Interval,
    trials: tuple[int, int],
) -> str:
    """State the effective number of members, and how much the loss depends on single members.

    Args:
        lam: λ.
        epoch: Epoch of the outputs.
        number: 1/Σ share², mean over trials.
        members: Number of members M, 2 or more.
        largest: Largest increase of the ensemble's loss without one member, nats.
        second: The second-largest.
        trials: In how many trials it is finite, and how many have reached this epoch.
    """
    finite, reached = trials
    where = "" if finite == reached else f" in the {finite} of {reached} trials with finite logits"
    return (
        f"λ = {lam_text(lam)}: by their shares of the ensemble's logits on test after epoch "
        f"{epoch}, the "
        f"effective number of members is {with_interval(number, '.3g')} of {members}{where}. "
        f"Without the member that matters most, the ensemble's loss changes by "
        f"{with_interval(largest, '+.3f', 'nats')}, without the next by "
        f"{with_interval(second, '+.3f', 'nats')}."
    )


def error_spread(lam: float, ratio: float, gap: Interval, gini: float) -> str:
    """State how unequal the members' errors are.

    Args:
        lam: λ.
        ratio: The best member's error over the median member's.
        gap: The best member's error minus the ensemble's, in percentage points.
        gini: Gini coefficient of the members' errors.
    """
    return (
        f"λ = {lam_text(lam)}: on test, the best member's error is {ratio:.2g} times the median "
        "member's; "
        f"it differs from the ensemble's by {with_interval(gap, '+.1f', 'percentage points')}. The "
        f"Gini coefficient of the members' errors is {gini:.2g}."
    )


def least_moved(lam: float, epoch: int, percent: Interval) -> str:
    """State the smallest distance of a member's parameters from initialization.

    Args:
        lam: λ.
        epoch: Epoch of the checkpoint.
        percent: The smallest distance over the median member's, in percent.
    """
    return (
        f"λ = {lam_text(lam)}: at epoch {epoch}, the smallest distance of a member's parameters "
        "from "
        f"initialization is {with_interval(percent.within(0, 100), '.1f', '%')} of the median "
        "member's."
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
        f"λ = {lam_text(lam)}: the member with the lowest training error after epoch "
        f"{early_epoch} also "
        f"has the lowest at the end in {held} of {trials} trial{plural} (chance level: 1 in "
        f"{members}; exact 95 % confidence interval: {low:.0f} to {high:.0f} %). The final leader "
        f"leads from epoch {since:g} on{typical}."
    )
