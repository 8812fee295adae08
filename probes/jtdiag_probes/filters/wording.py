"""Sentences of the filters probe."""

from collections.abc import Mapping, Sequence

from jtdiag import stats
from jtdiag.names import lam_text
from jtdiag.stats import Interval

NAMED = 8
"""Maximum number of members that a sentence names."""


def strong_filters(lam: float, *, median: Interval, weakest: float, strongest: float) -> str:
    """Return the share of strong filters in the first layer, 0 to 1, at the measured epoch.

    Args:
        lam: λ.
        median: Share in the median member.
        weakest: Share in the member with the fewest strong filters.
        strongest: Share in the member with the most.
    """
    share = stats.with_interval(median.within(0, 1).scaled(100), ".0f", "%")
    return (
        f"λ = {lam_text(lam)}: {share} of the median member's first-layer filters are strong "
        "(norm at least half of the 95th percentile of all filters); the weakest member has "
        f"{100 * weakest:.0f} %, the strongest {100 * strongest:.0f} %."
    )


def stagnation(
    lam: float, members_by_trial: Mapping[int, Sequence[int]], trials: int, limit: float
) -> str:
    """Return which members stagnate, with advice.

    Args:
        lam: λ.
        members_by_trial: Stagnating members of each trial that has any.
        trials: Number of trials measured.
        limit: Share of the largest distance from initialization below which a member stagnates.
    """
    count = len(members_by_trial)
    where = "" if trials == 1 else f" in {count} of {trials} trials"
    named = "; ".join(
        f"trial {trial}: {listed(members)}" for trial, members in members_by_trial.items()
    )
    advice = (
        "Compare with a smaller λ or with fewer members."
        if lam > 0
        else "λ is not the cause: try a smaller learning rate or more epochs."
    )
    return (
        f"λ = {lam_text(lam)}: members stagnate{where}: the distance of their first layer from "
        f"initialization is less than {limit:g} times that of the member that moved farthest "
        f"({named}). Their parameters may be wasted. {advice}"
    )


def listed(members: Sequence[int]) -> str:
    """Return "member 4", "members 0, 1 and 2" or "members 0, … and 3 more"."""
    named = [str(member) for member in members[:NAMED]]
    if len(members) > NAMED:
        named.append(f"{len(members) - NAMED} more")
    noun = "member" if len(members) == 1 else "members"
    return f"{noun} {stats.listed(named)}"
