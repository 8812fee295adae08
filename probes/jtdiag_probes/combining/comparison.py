"""Comparison of the errors of two combiners of the same members."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jtdiag import stats
from jtdiag.stats import Interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A difference of two errors, and the test that the number of trials allows.

    Several trials are pairs. A single trial is tested over test examples, if it is known on how
    many of them only one of the two is wrong: by McNemar's exact test, for these members only.
    """

    interval: Interval
    """First minus second, −1 to 1; without ends for a single trial, or without spread."""
    trials: int
    detectable: float = np.nan
    """Difference that would have been detected with a probability of 80 %."""
    only_first: int = 0
    """Test examples of a single trial on which only the first is wrong."""
    only_second: int = 0
    p: float = np.nan
    """McNemar's p value, corrected for all comparisons; NaN where trials are compared."""

    @property
    def significant(self) -> bool:
        """Whether the errors differ; False where that cannot be tested."""
        return self.interval.significant or self.p <= 1 - stats.LEVEL


def compare(
    differences: ArrayLike,
    comparisons: int,
    only_first: ArrayLike = np.nan,
    only_second: ArrayLike = np.nan,
) -> Comparison:
    """Return a comparison that holds together with the others of a family (Bonferroni).

    Args:
        differences: Error of the first minus that of the second, (trials,).
        comparisons: Size of the family.
        only_first: Test examples on which only the first is wrong, (trials,); NaN if unknown.
        only_second: The same for the second.
    """
    values = np.asarray(differences, float)
    interval = stats.paired(values, comparisons)
    if values.size != 1:
        detectable = stats.smallest_detectable(values, comparisons)
        return Comparison(interval=interval, trials=values.size, detectable=detectable)
    counts = np.array([only_first, only_second], float).ravel()
    if not np.isfinite(counts).all():
        return Comparison(interval=interval, trials=1)
    first, second = (int(count) for count in counts)
    return Comparison(
        interval=interval,
        trials=1,
        only_first=first,
        only_second=second,
        p=min(1.0, stats.mcnemar(first, second) * comparisons),
    )
