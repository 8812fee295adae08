"""What is measured of the claims: means and differences with simultaneous intervals.

The variance over trials is pooled over the λs of all runs: with three trials, the variance of one λ
alone says little. Errors of different λs are assumed to vary equally, and lanes to be independent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from jtdiag.stats import LEVEL, Interval
from jtdiag.stats.intervals import quantile
from reproduction_study.lanes import Measured

Cell = tuple[str, float]
"""A run and a λ."""
NO_SPREAD = 1e-18
"""Sum of squares of values that are equal but for rounding: zero spread is no certainty."""
Values = Mapping[Cell, tuple[float, ...]]
"""One value for each trial, by cell."""


@dataclass(frozen=True)
class Pooled:
    """Values of cells whose variance over trials is the same."""

    values: Values
    comparisons: int
    """Number of intervals that hold simultaneously (Bonferroni)."""

    def contrast(self, weights: Mapping[Cell, float]) -> Interval | None:
        """Return a weighted sum of the means of cells with its interval; None if one is missing.

        Args:
            weights: Such as 1 and −1 for a difference.
        """
        if any(not self.values.get(cell) for cell in weights):
            return None
        mean = sum(weight * float(np.mean(self.values[cell])) for cell, weight in weights.items())
        freedom = sum(len(values) - 1 for values in self.values.values() if values)
        if freedom < 1:
            return Interval(mean, np.nan, np.nan)
        squares = sum(float(np.var(v)) * len(v) for v in self.values.values() if v)
        if squares < NO_SPREAD:
            return Interval(mean, np.nan, np.nan)
        per_lane = sum(w * w / len(self.values[cell]) for cell, w in weights.items())
        tail = (1 - LEVEL) / 2 / self.comparisons
        reach = quantile(tail, freedom) * np.sqrt(squares / freedom * per_lane)
        return Interval(mean, mean - reach, mean + reach)


def column(measured: Measured, name: str, comparisons: int) -> Pooled:
    """Return a column of the lanes, such as ``test_ensemble_best``."""
    return _of_cells(measured, comparisons, lambda cell: measured.values(*cell, name))


def log_column(measured: Measured, name: str, comparisons: int) -> Pooled:
    """Return the natural logarithm of a column of the lanes."""
    return _of_cells(
        measured,
        comparisons,
        lambda cell: {t: float(np.log(v)) for t, v in measured.values(*cell, name).items()},
    )


def leader_skill(measured: Measured, comparisons: int, chance: float) -> Pooled:
    """Return the skill of the best member on test at the end, as a share of the ensemble's."""

    def of_cell(cell: Cell) -> dict[int, float]:
        if measured.members(cell[0]) == 1:
            return {}
        ensemble = measured.values(*cell, "test_ensemble_last")
        lowest = measured.values(*cell, "test_lowest_last")
        return {t: (chance - lowest[t]) / (chance - ensemble[t]) for t in ensemble}

    return _of_cells(measured, comparisons, of_cell)


def with_half(measured: Measured, comparisons: int) -> Pooled:
    """Return the test accuracy with half of the members, interpolated if M is odd."""
    return _dropped(measured, comparisons, lambda half, _full: half)


def loss_by_half(measured: Measured, comparisons: int) -> Pooled:
    """Return the loss of accuracy if half of the members are dropped."""
    return _dropped(measured, comparisons, lambda half, full: full - half)


def _dropped(
    measured: Measured, comparisons: int, of_half: Callable[[float, float], float]
) -> Pooled:
    def of_cell(cell: Cell) -> dict[int, float]:
        values: dict[int, float] = {}
        for trial in measured.values(*cell, "test_ensemble_best"):
            dropped, accuracy = measured.accuracy(*cell, trial)
            if dropped.size:
                half = float(np.interp((dropped[-1] + 1) / 2, dropped, accuracy))
                values[trial] = of_half(half, float(accuracy[0]))
        return values

    return _of_cells(measured, comparisons, of_cell)


def _of_cells(
    measured: Measured, comparisons: int, of_cell: Callable[[Cell], Mapping[int, float]]
) -> Pooled:
    cells = {(row["run"], float(row["lam"])) for row in measured.lanes}
    values = {cell: tuple(of_cell(cell).values()) for cell in sorted(cells)}
    return Pooled(values, comparisons)
