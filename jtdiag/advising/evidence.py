"""What the validation errors of the contenders say: which is best, and which are no worse.

The first trial selects the contenders, so that its errors are too low by chance for those that it
selects. Claims of differences are therefore made from the later trials only.
"""

from collections.abc import Mapping
from typing import Final

import attrs
import numpy as np

from jtdiag.advising.additive import Floats, fit
from jtdiag.stats import LEAST_TRIALS, Interval, paired

SELECTING: Final = 1
"""Trials that select the contenders and are no evidence."""


@attrs.frozen(kw_only=True)
class Evidence:
    """What is known of the contenders."""

    recommended: str
    """The contender with the lowest mean error, among those of `LEAST_TRIALS` trials if there are
    any, or else of the most; "" without any contender."""
    differences: Mapping[str, Interval]
    """Mean error of each other contender minus that of the recommended one, over later trials. The
    intervals hold together for all pairs of contenders, and for every number of trials after which
    they are looked at; without ends where there are too few trials."""
    comparisons: int
    """For how many comparisons the intervals are corrected."""

    @property
    def undecided(self) -> tuple[str, ...]:
        """Contenders that are not significantly worse than the recommended one, itself first."""
        others = (name for name, interval in self.differences.items() if not interval.low > 0)
        return (self.recommended, *others) if self.recommended else ()

    @property
    def worse(self) -> tuple[str, ...]:
        """Contenders that are significantly worse than the recommended one."""
        return tuple(name for name, interval in self.differences.items() if interval.low > 0)


def weigh(errors: Mapping[str, Floats], most: int) -> Evidence:
    """Weigh the errors of the contenders.

    Args:
        errors: Errors (trials,) of each contender, of one trial or more; trial t of all of them is
            a pair.
        most: Most trials of a contender, after each of which the evidence may be looked at.
    """
    if not errors:
        return Evidence(recommended="", differences={}, comparisons=0)
    comparisons = _comparisons(len(errors), most)
    recommended = _lowest(errors)
    reference = errors[recommended][SELECTING:]
    differences = {
        name: _difference(values[SELECTING:], reference, comparisons)
        for name, values in errors.items()
        if name != recommended
    }
    return Evidence(recommended=recommended, differences=differences, comparisons=comparisons)


def _lowest(errors: Mapping[str, Floats]) -> str:
    counts = np.array([len(values) for values in errors.values()])
    enough = counts >= min(LEAST_TRIALS, counts.max())
    means = np.where(enough, fit(errors).mean, np.inf)
    return list(errors)[int(means.argmin())]


def _comparisons(contenders: int, most: int) -> int:
    looks = max(1, most - SELECTING - LEAST_TRIALS + 1)
    return max(1, contenders * (contenders - 1) // 2) * looks


def _difference(values: Floats, reference: Floats, comparisons: int) -> Interval:
    """Return the interval of values minus reference, over the trials that both have."""
    pairs = min(len(values), len(reference))
    difference = paired(values[:pairs] - reference[:pairs], comparisons)
    return difference if pairs >= LEAST_TRIALS else Interval(difference.mean, np.nan, np.nan)
