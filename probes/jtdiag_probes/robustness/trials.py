"""Which trials of a λ count, and what they show about every number of missing members."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.stats import Interval, clopper_pearson, paired
from jtdiag_probes.robustness.variables import SHARED

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The trials of one λ whose ensemble has learned something."""

    result: xr.Dataset
    """Variables by trial, of these trials alone."""
    lam: float
    members: int
    exact: bool
    """Whether all subsets of the members were evaluated."""
    diverged: int
    """Number of trials that are left out because their loss is not finite."""
    at_chance: int
    """Number of trials that are left out because nothing was learned."""
    accuracy: float
    """Mean test accuracy of the trials that are at chance; NaN if there are none."""
    most_frequent: float
    """Fraction of the most frequent class in those trials."""

    @property
    def count(self) -> int:
        """Number of trials that count."""
        return self.result.sizes[names.TRIAL]

    @property
    def measured(self) -> int:
        """Number of trials with outputs."""
        return self.count + self.diverged + self.at_chance

    def numbers(self, places: Ints) -> tuple[int, ...]:
        """Return the numbers of the trials at some places among those that count."""
        return tuple(int(trial) for trial in self.result[names.TRIAL].values[places])

    def falls(self, name: str, **where: str) -> Floats:
        """Return (trials, M): how much a curve by members dropped is below its start."""
        curve = self.result[name].sel(where).transpose(names.TRIAL, names.DROPPED).values
        return np.asarray(curve[:, :1] - curve)


def trials_of(of_lam: xr.Dataset, members: int, *, exact: bool) -> Trials:
    """Sort the trials of one λ: those that count, diverged ones, and those at chance.

    An ensemble has learned something if the exact 95 % interval of its test accuracy is above the
    frequency of the most frequent class.
    """
    whole = of_lam.sel({"subsets": SHARED, names.DROPPED: 0})
    accuracy, loss = whole["accuracy"].values, whole["loss"].values
    examples, frequent = of_lam["examples"].values, of_lam["most_frequent_class"].values
    measured, finite = np.isfinite(accuracy), np.isfinite(loss)
    low, _ = clopper_pearson(np.round(accuracy * examples), examples)
    learned = low > frequent
    at_chance = measured & finite & ~learned
    some = bool(at_chance.any())
    return Trials(
        result=of_lam.isel({names.TRIAL: measured & finite & learned}),
        lam=float(of_lam[names.LAM]),
        members=members,
        exact=exact,
        diverged=int((measured & ~finite).sum()),
        at_chance=int(at_chance.sum()),
        accuracy=float(accuracy[at_chance].mean()) if some else np.nan,
        most_frequent=float(frequent[at_chance].mean()) if some else np.nan,
    )


def last_below(falls: Floats, limit: float, comparisons: int = 1) -> int:
    """Return the last column of falls (trials, n) up to which all means are below a limit.

    The columns are tested in their order, each at the full level, until one cannot be shown to be
    below the limit: a fixed sequence, so that the probability of any false statement is at most
    that of a single test, whatever n is. Columns in which all trials agree have no test; they
    count neither for nor against, unless their mean reaches the limit. For a single trial, the
    values themselves are compared.

    Returns:
        Index of the column; −1 if there is none.
    """
    last = -1
    for i, column in enumerate(falls.T):
        interval = paired(column, comparisons)
        if len(column) == 1 or interval.exists:
            if not _high(interval) < limit:
                break
            last = i
        elif not interval.mean < limit:
            break
    return last


def first_above(falls: Floats, limit: float, comparisons: int = 1) -> int:
    """Return the first column of falls (trials, n) from which all means are above a limit.

    Tested from the last column backwards, as in `last_below`; n if there is none.
    """
    n = falls.shape[1]
    return n - 1 - last_below(-falls[:, ::-1], -limit, comparisons)


def _high(interval: Interval) -> float:
    return interval.high if interval.exists else interval.mean
