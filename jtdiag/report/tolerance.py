"""How many members may fail, in words."""

import math

import numpy as np
import xarray as xr

from jtdiag import names

POINT = 0.01
"""The fall of accuracy that counts, as the robustness probe has it."""


def may_fail(at: xr.Dataset, members: int) -> tuple[str, str, str]:
    """Return how many members may fail: for the headline, with the doubt, and in two words.

    Args:
        at: What robustness has measured at one λ on shared subsets; the fraction that is
            tolerated is interpolated between whole members, and is (M−1)/M where a single
            member is within a point.
        members: How many there are, M, two or more.
    """
    number, se = float(at["tolerated_fraction_mean"]), float(at["tolerated_fraction_se"])
    if not number * members >= 1:
        fall = 100 * float(at["accuracy_mean"][0] - at["accuracy_mean"][1])
        clause = f"one missing member of {members} costs {fall:.1f} points of accuracy"
        return clause, clause, "not a single one"
    if number > (members - 1) / members - 1e-9:
        clause = "all members but one may fail before accuracy drops by a point"
        return (
            clause,
            f"all of {members} members but one may fail for less than a point",
            "all but one",
        )
    doubt = f" ± {100 * se:.1f}" if math.isfinite(se) else ""
    said = f"{100 * number:.1f}{doubt} %"
    whole = math.floor(number * members + 1e-9)
    noun = "one" if whole == 1 else "ones"
    return (
        f"up to {math.floor(100 * number)} % of members may fail before accuracy drops by a point",
        f"up to {said} of {members} members ({whole} whole {noun}) may fail before accuracy drops "
        "by a point",
        said,
    )


def worst_case(at: xr.Dataset) -> str:
    """Return how few missing members cost a point if they are the wrong ones; "" if none do."""
    worst = at["accuracy_worst_mean"].values
    fallen = np.flatnonzero(worst <= worst[0] - POINT)
    if fallen.size == 0:
        return ""
    count = int(at[names.DROPPED].values[fallen[0]])
    return f" In the worst case found, {count} missing {'is' if count == 1 else 'are'} enough."
