"""The paper's claims, each as a quantity and the values of it with which the claim holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from jtdiag.stats import Interval, with_interval
from reproduction_study import quantities
from reproduction_study.lanes import Measured
from reproduction_study.quantities import Cell, Pooled

CHANCE = 0.9
"""Error at chance level with the ten classes of Fashion-MNIST."""
CLOSE = 1.0
"""Percentage points by which errors that count as equal may differ; the paper trained longer."""
DOMINATED_FROM = 0.75
"""Share of the ensemble's skill from which the best member dominates, as in early-diagnosis.md."""

SMALL, MIDDLE, LARGE, SINGLE = "mlp-256x4", "mlp-64x16", "mlp-16x64", "mlp-1x1024"
BAGGING = "mlp-256x4-bagging"
HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not measured yet"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the paper that a number decides."""

    source: str
    statement: str
    paper: str = "–"
    """The paper's number."""
    pool: Callable[[Measured, int], Pooled]
    weights: Mapping[Cell, float]
    least: float = -np.inf
    most: float = np.inf
    """The claim holds if the quantity lies between the two."""
    unit: str = "points"
    scale: float = 100.0
    exponential: bool = False
    """Whether the quantity is the exponential of what is pooled."""

    def judged(self, measured: Measured, comparisons: int) -> tuple[Interval | None, str]:
        """Return the quantity in the claim's unit, and the verdict."""
        interval = self.pool(measured, comparisons).contrast(self.weights)
        if interval is None:
            return None, MISSING
        interval = Interval(*map(self._in_unit, interval))
        if self.unit == "%":
            interval = interval.within(0, 100)
        if not interval.exists:
            return interval, OPEN
        if self.least <= interval.low and interval.high <= self.most:
            return interval, HOLDS
        if interval.high < self.least or interval.low > self.most:
            return interval, FAILS
        return interval, OPEN

    def _in_unit(self, value: float) -> float:
        return self.scale * (float(np.exp(value)) if self.exponential else value)

    def text(self, interval: Interval | None) -> str:
        """Return the quantity as it is printed; "–" if it was not measured."""
        if interval is None:
            return "–"
        form = ".2f" if self.scale == 1 else ("+.1f" if self.unit == "points" else ".1f")
        return with_interval(interval, form, self.unit)


def _error(measured: Measured, comparisons: int) -> Pooled:
    return quantities.column(measured, "test_ensemble_best", comparisons)


def _stacked(measured: Measured, comparisons: int) -> Pooled:
    """Return errors of ensembles, and of stacking as the λ −1 of the run."""
    errors = _error(measured, comparisons)
    stacked = quantities.column(measured, "stacked", comparisons)
    values = dict(errors.values) | {
        (run, -1.0): of_cell for (run, lam), of_cell in stacked.values.items() if lam == 0
    }
    return Pooled(values, comparisons)


def _leader(measured: Measured, comparisons: int) -> Pooled:
    return quantities.leader_skill(measured, comparisons, CHANCE)


def _member_loss(measured: Measured, comparisons: int) -> Pooled:
    return quantities.log_column(measured, "test_member_loss_best", comparisons)


def _difference(more: Cell, less: Cell) -> dict[Cell, float]:
    return {more: 1.0, less: -1.0}


def _stated(source: str, what: str, cell: Cell, error: float) -> Claim:
    return Claim(
        source=source,
        statement=what,
        paper=f"{error:g} %",
        pool=_error,
        weights={cell: 1.0},
        least=error - CLOSE,
        most=error + CLOSE,
        unit="%",
    )


def _range(run: str) -> dict[Cell, float]:
    """Return the effect of λ: the error of independent members minus that at λ = 0.95."""
    return _difference((run, 0.0), (run, 0.95))


CLAIMS = (
    _stated("Fig. 2", "error of one network of 1,024 units", (SINGLE, 1.0), 10.2),
    _stated("Fig. 2", "error of 256 independent networks of 4 units", (SMALL, 0.0), 16.3),
    _stated("Fig. 2", "error of the same networks at λ = 0.95", (SMALL, 0.95), 10.3),
    Claim(
        source="Fig. 2",
        statement="at λ = 0.95 the small networks match the single one: difference",
        paper="+0.1 points",
        pool=_error,
        weights=_difference((SMALL, 0.95), (SINGLE, 1.0)),
        least=-CLOSE,
        most=CLOSE,
    ),
    Claim(
        source="Fig. 2",
        statement="end to end they almost match it: difference",
        pool=_error,
        weights=_difference((SMALL, 1.0), (SINGLE, 1.0)),
        least=-CLOSE,
        most=CLOSE,
    ),
    Claim(
        source="Fig. 2",
        statement="bagging underperforms: its error minus that at λ = 0.95",
        pool=_error,
        weights=_difference((BAGGING, 0.0), (SMALL, 0.95)),
        least=0,
    ),
    Claim(
        source="Fig. 2",
        statement="stacking underperforms: its error minus that at λ = 0.95",
        pool=_stacked,
        weights=_difference((SMALL, -1.0), (SMALL, 0.95)),
        least=0,
    ),
    Claim(
        source="Fig. 3",
        statement="independent training of 256x4H is worse: error at λ = 0 minus that at λ = 0.9",
        pool=_error,
        weights=_difference((SMALL, 0.0), (SMALL, 0.9)),
        least=0,
    ),
    Claim(
        source="Fig. 3",
        statement="end to end is suboptimal for 256x4H: error at λ = 1 minus that at λ = 0.95",
        pool=_error,
        weights=_difference((SMALL, 1.0), (SMALL, 0.95)),
        least=0,
    ),
    Claim(
        source="Fig. 3",
        statement="λ matters most for the smallest members: effect of λ for 256x4H minus 64x16H",
        pool=_error,
        weights={**_range(SMALL), **{cell: -w for cell, w in _range(MIDDLE).items()}},
        least=0,
    ),
    Claim(
        source="Fig. 3",
        statement="larger members respond almost uniformly: effect of λ for 16x64H",
        pool=_error,
        weights=_range(LARGE),
        least=-CLOSE,
        most=CLOSE,
    ),
    Claim(
        source="Fig. 6",
        statement="no member of 256x4H dominates at λ = 1: share of the best in the skill",
        pool=_leader,
        weights={(SMALL, 1.0): 1.0},
        most=100 * DOMINATED_FROM,
        unit="%",
    ),
    Claim(
        source="Fig. 7",
        statement="256x4H at λ = 0.99 keeps its accuracy without half of the members: loss",
        pool=quantities.loss_by_half,
        weights={(SMALL, 0.99): 1.0},
        most=1,
    ),
    Claim(
        source="Fig. 7",
        statement="at λ = 1 it is brittle: loss without half of the members",
        pool=quantities.loss_by_half,
        weights={(SMALL, 1.0): 1.0},
        least=1,
    ),
    Claim(
        source="Fig. 7",
        statement="at λ = 0 it is robust: loss without half of the members",
        pool=quantities.loss_by_half,
        weights={(SMALL, 0.0): 1.0},
        most=1,
    ),
    Claim(
        source="Fig. 7",
        statement="but redundant: accuracy with half of them at λ = 0.99 minus that at λ = 0",
        pool=quantities.with_half,
        weights=_difference((SMALL, 0.99), (SMALL, 0.0)),
        least=0,
    ),
    Claim(
        source="Fig. 8",
        statement="the benefit is smaller for 64x16H: that difference for 256x4H minus 64x16H",
        pool=quantities.with_half,
        weights={
            **_difference((SMALL, 0.99), (SMALL, 0.0)),
            **_difference((MIDDLE, 0.0), (MIDDLE, 0.99)),
        },
        least=0,
    ),
    Claim(
        source="Fig. 9",
        statement="the mean member loss of 64x16H grows sharply: at λ = 1 over λ = 0.9",
        pool=_member_loss,
        weights=_difference((MIDDLE, 1.0), (MIDDLE, 0.9)),
        least=2,
        unit="times",
        scale=1.0,
        exponential=True,
    ),
)
