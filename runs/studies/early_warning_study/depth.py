"""Does depth drive dominance, not only capacity? Members of equal parameters, shallow to deep."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from early_warning_study.lanes import CHANCE, LEARNT_FROM, Floats
from early_warning_study.training import Row, read
from jtdiag.rules.skill import skill_ratio


@dataclass(frozen=True)
class Mean:
    """A mean over trials with its standard error; NaN with one trial."""

    value: float
    error: float

    def __sub__(self, other: "Mean") -> "Mean":
        """Return the difference of two independent means."""
        return Mean(self.value - other.value, float(np.hypot(self.error, other.error)))


@dataclass(frozen=True)
class Case:
    """Members of one depth and budget at one λ, at the end, on test."""

    data: str
    budget: int
    depth: int
    width: int
    lam: float
    trials: int
    learnt: int
    """Trials in which the ensemble itself learnt; the means are over these."""
    error: Mean
    """Of the ensemble, fraction."""
    median: Mean
    """Median member's share of the ensemble's skill."""
    lead: Mean
    """The leader's share minus the median member's."""
    gini: Mean
    """Gini coefficient of the members' errors."""
    effective: Mean
    """Effective members over members: 1 if all carry the ensemble's logits alike, 1/M if one."""

    def order(self) -> tuple[str, int, float, int]:
        """Return the sort key of a case."""
        return self.data, self.budget, self.lam, self.depth


def load(file: Path) -> list[Case]:
    """Return the cases in a table that `training` wrote, in its order."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in read(file):
        key = tuple(row[name] for name in ("data", "budget", "depth", "width", "lam"))
        groups.setdefault(key, []).append(row)
    return [_case(key, rows) for key, rows in groups.items()]


def _case(key: tuple[str, ...], rows: list[Row]) -> Case:
    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in rows])

    ensemble = column("test_ensemble")
    learnt = (CHANCE - ensemble) / CHANCE >= LEARNT_FROM
    median = skill_ratio(column("test_median"), ensemble, CHANCE)
    leader = skill_ratio(column("test_best"), ensemble, CHANCE)
    data, budget, depth, width, lam = key
    return Case(
        data=data,
        budget=int(budget),
        depth=int(depth),
        width=int(width),
        lam=float(lam),
        trials=len(rows),
        learnt=int(learnt.sum()),
        error=mean(ensemble[learnt]),
        median=mean(median[learnt]),
        lead=mean((leader - median)[learnt]),
        gini=mean(column("test_gini")[learnt]),
        effective=mean((column("effective") / column("members"))[learnt]),
    )


def mean(values: NDArray[np.floating]) -> Mean:
    """Return the mean of values (trials,) with its standard error."""
    if values.size == 0:
        return Mean(float("nan"), float("nan"))
    error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
    return Mean(float(values.mean()), float(error))


def contrasts(cases: list[Case], lam: float = 1.0) -> dict[tuple[str, int], dict[str, Mean]]:
    """Return, by data and budget, the differences between four hidden layers and one, at one λ."""
    by_key = {(c.data, c.budget, c.depth): c for c in cases if c.lam == lam}
    differences = {}
    for data, budget, depth in by_key:
        deep = by_key.get((data, budget, 4))
        if depth == 1 and deep is not None:
            shallow = by_key[data, budget, 1]
            differences[data, budget] = {
                name: getattr(deep, name) - getattr(shallow, name)
                for name in ("median", "lead", "gini", "effective")
            }
    return differences
