"""What makes one member dominate: the predicted sign of each factor beside the measured one."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from early_warning_study import race
from early_warning_study.grid import AHEAD, DECAYS, EPOCHS, LENGTHS, SPREAD, UNEQUAL
from early_warning_study.lanes import Flags, Floats, Lanes
from jtdiag import stats
from jtdiag.stats import Interval

DECAY = DECAYS[-1]
FIRST = LENGTHS[0]
_DESIGN = ("depth", "members", "start", "decay", "lam")
_DRAWS = 10
"""Draws of spread starts behind a prediction."""
_SIGN_FROM = 0.02
"""Smallest predicted difference in concentration that counts as a sign."""


@dataclass(frozen=True)
class Factor:
    """Two levels of a factor, and the lanes in which they are compared."""

    name: str
    short: str
    """As in the figure."""
    column: str
    """Of the lanes; or "length", of training."""
    low: float | str
    high: float | str
    among: Callable[[Lanes], Flags]


@dataclass(frozen=True)
class Effect:
    """A factor's effect: high level minus low level, over pairs of cells that differ in it only."""

    factor: Factor
    predicted: float
    """Difference in concentration of the model; ±1 where theory gives the sign only."""
    concentration: Interval
    """Of the ensemble's logits, simultaneous 95 % interval over pairs."""
    dominated: Floats
    """(pairs,), difference in the share of dominated lanes."""
    family: int
    """Tests that are to hold together: two outcomes of each factor."""

    @property
    def more(self) -> int:
        """Pairs of which the high level has more dominated lanes."""
        return int((self.dominated > 0).sum())

    @property
    def fewer(self) -> int:
        """Pairs of which the high level has fewer dominated lanes."""
        return int((self.dominated < 0).sum())

    @property
    def p(self) -> float:
        """Exact two-sided p value of a sign test of `more` against `fewer`, times the family."""
        return min(1.0, self.family * stats.mcnemar(self.more, self.fewer))

    @property
    def sign(self) -> int:
        """The predicted sign; 0 where the model predicts hardly a difference."""
        if not abs(self.predicted) >= _SIGN_FROM:  # NaN too, without lanes
            return 0
        return int(np.sign(self.predicted))


def _unequal(lanes: Lanes) -> Flags:
    return np.isin(lanes.start, UNEQUAL)


def _joint(lanes: Lanes) -> Flags:
    return lanes.lam == 1


def _race(lanes: Lanes) -> Flags:
    return _joint(lanes) & _unequal(lanes)


def _equal_race(lanes: Lanes) -> Flags:
    return _joint(lanes) & ~_unequal(lanes)


def _race_ahead(lanes: Lanes) -> Flags:
    return _joint(lanes) & (lanes.start == "ahead")


def _race_spread(lanes: Lanes) -> Flags:
    return _joint(lanes) & (lanes.start == "spread")


def _mild(lanes: Lanes) -> Flags:
    return (lanes.lam == 0.9) & _unequal(lanes)


def _between(lanes: Lanes) -> Flags:
    return (lanes.lam > 0) & (lanes.lam < 1) & _unequal(lanes)


def _alone(lanes: Lanes) -> Flags:
    return (lanes.lam == 0) & _unequal(lanes)


FACTORS = (
    Factor("start, λ = 1: ahead − equal", "ahead − equal", "start", "equal", "ahead", _joint),
    Factor("start, λ = 1: spread − equal", "spread − equal", "start", "equal", "spread", _joint),
    Factor("hidden layers, λ = 1, unequal: 2 − 1", "2 − 1 layers", "depth", 1, 2, _race),
    Factor("hidden layers, λ = 1, unequal: 4 − 1", "4 − 1 layers", "depth", 1, 4, _race),
    Factor("hidden layers, λ = 1, equal: 4 − 1", "4 − 1, equal", "depth", 1, 4, _equal_race),
    Factor("hidden layers, λ = 0, unequal: 4 − 1", "4 − 1, λ = 0", "depth", 1, 4, _alone),
    Factor("λ, unequal: 0.9 − 0", "λ: 0.9 − 0", "lam", 0.0, 0.9, _unequal),
    Factor("λ, unequal: 1 − 0.9", "λ: 1 − 0.9", "lam", 0.9, 1.0, _unequal),
    Factor("M, λ = 1, ahead: 16 − 2", "M: 16 − 2, ahead", "members", 2, 16, _race_ahead),
    Factor("M, λ = 1, spread: 16 − 2", "M: 16 − 2, spread", "members", 2, 16, _race_spread),
    Factor("decay, λ = 1, unequal: 0.004 − 0", "decay, λ = 1", "decay", 0.0, DECAY, _race),
    Factor("decay, λ = 0.9, unequal: 0.004 − 0", "decay, λ = 0.9", "decay", 0.0, DECAY, _mild),
    Factor(
        "epochs, 0 < λ < 1, unequal: 20 − 5", "epochs, λ < 1", "length", FIRST, EPOCHS, _between
    ),
    Factor("epochs, λ = 1, unequal: 20 − 5", "epochs, λ = 1", "length", FIRST, EPOCHS, _race),
)
FAMILY = 2 * len(FACTORS)


def factorial(lanes: Lanes) -> Lanes:
    """Return the lanes of the factorial: every combination of the factors, on digits."""
    return lanes.where((lanes.data == "digits") & (lanes.width == 48))


def effects(lanes: Lanes) -> list[Effect]:
    """Return the effect of every factor; the tests of both outcomes hold together (Bonferroni)."""
    return [_effect(factorial(lanes), factor) for factor in FACTORS]


def _effect(lanes: Lanes, factor: Factor) -> Effect:
    kept = lanes.where(factor.among(lanes) & lanes.learnt)
    if factor.column == "length":
        first, last = kept.dominated_after[:, 0], kept.dominated_after[:, -1]
        by_cell = _cells(kept, "", last.astype(float) - first)
        pairs = np.array([value for cell in by_cell.values() for value in cell.values()])
        concentration = np.array([])  # recorded at the end only
    else:
        pairs = differences(kept, factor, kept.dominated.astype(float))
        each = race.concentration(kept.effective, kept.members)
        concentration = differences(kept, factor, each)
    interval = stats.paired(concentration, FAMILY)
    return Effect(factor, predicted(lanes, factor), interval, pairs, FAMILY)


def differences(
    lanes: Lanes, factor: Factor, outcome: Floats, design: Sequence[str] = _DESIGN
) -> Floats:
    """Return high minus low, (pairs,), of an outcome (N,) averaged over the trials of a cell."""
    cells = _cells(lanes, factor.column, outcome, design)
    both = [c for c in cells.values() if {factor.low, factor.high} <= c.keys()]
    return np.array([c[factor.high] - c[factor.low] for c in both])


def _cells(
    lanes: Lanes, column: str, outcome: Floats, design: Sequence[str] = _DESIGN
) -> dict[tuple[object, ...], dict]:
    """Return means over trials by what else the cells are, and by the level of a column."""
    others = [getattr(lanes, name).tolist() for name in design if name != column]
    levels = getattr(lanes, column).tolist() if column else [None] * len(lanes)
    values: dict[tuple[object, ...], dict] = {}
    for *rest, level, value in zip(*others, levels, outcome.tolist(), strict=True):
        values.setdefault(tuple(rest), {}).setdefault(level, []).append(value)
    return {
        rest: {level: float(np.mean(each)) for level, each in by_level.items()}
        for rest, by_level in values.items()
    }


# --- the prediction ------------------------------------------------------------------------------


def predicted(lanes: Lanes, factor: Factor) -> float:
    """Return the model's difference in concentration, over the same cells as the measured one."""
    kept = lanes.where(factor.among(lanes))
    designs = {
        tuple(values)
        for values in zip(*(getattr(kept, name).tolist() for name in _DESIGN), strict=True)
    }
    if not designs:
        return float("nan")
    if factor.column == "length":
        share = float(factor.low) / float(factor.high)
        late = [_concentration(*design, race.TIME) for design in designs]
        early = [_concentration(*design, share * race.TIME) for design in designs]
        return float(np.mean(late) - np.mean(early))
    place = _DESIGN.index(factor.column)
    high = [_concentration(*d, race.TIME) for d in designs if d[place] == factor.high]
    low = [_concentration(*d, race.TIME) for d in designs if d[place] == factor.low]
    return float(np.mean(high) - np.mean(low)) if high and low else float("nan")


@functools.cache
def _concentration(
    depth: int, members: int, start: str, decay: float, lam: float, time: float
) -> float:
    ends = [
        race.strengths(race.GAIN * factors, depth, lam, decay=decay, time=time)
        for factors in _starts(start, members)
    ]
    each = [float(race.concentration(race.effective(end), members)) for end in ends]
    return float(np.mean(each))


def _starts(start: str, members: int) -> list[Floats]:
    """Return starting factors (M,): one set, or several draws of a spread."""
    if start == "equal":
        return [np.ones(members)]
    if start == "ahead":
        return [np.array([AHEAD[0], *[AHEAD[1]] * (members - 1)])]
    rng = np.random.default_rng(members)
    low, high = np.log(SPREAD)
    return list(np.exp(rng.uniform(low, high, (_DRAWS, members))))
