"""Sentences that the monitor adds to the findings of the rules."""

import math


def sampling_note(*, counted: int, batches: int, error_se: float) -> str:
    """Return a note on the sample that an epoch's metrics are estimated from.

    Args:
        counted: Batches in the sample.
        batches: Batches of the epoch.
        error_se: Largest standard error of the members' training errors, as a fraction; NaN if
            unknown.
    """
    if counted == batches:
        return ""
    precision = (
        f"largest standard error of a member's error: {100 * error_se:.1g} percentage points"
        if math.isfinite(error_se)
        else "standard errors not measured"
    )
    return f"(Estimated from {counted} of {batches} batches; {precision}.)"
