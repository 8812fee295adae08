"""Does it depend on SGD whether one member dominates? BatchNorm, learning rate and batch size."""

import numpy as np

from early_warning_study import factors, race
from early_warning_study.factors import Effect, Factor
from early_warning_study.grid import BATCHES, NORMS, RATES
from early_warning_study.lanes import Flags, Lanes
from jtdiag import stats

_DESIGN = ("depth", "start", "norm", "rate", "batch")


def _all(lanes: Lanes) -> Flags:
    return np.ones(len(lanes), bool)


PREDICTED = {
    Factor("BatchNorm − none", "BatchNorm", "norm", *NORMS, _all): -1,
    Factor("rate of a member: 0.03 − 0.01", "rate", "rate", *RATES, _all): -1,
    Factor("batch: 60 − 15", "batch", "batch", *BATCHES, _all): 1,
}
"""Factors with the sign of their effect by theory, fixed before these lanes were trained."""
FAMILY = 2 * len(PREDICTED)


def effects(lanes: Lanes) -> list[Effect]:
    """Return the effect of every factor, among lanes whose ensemble learnt."""
    return [_effect(lanes.where(lanes.learnt), *pair) for pair in PREDICTED.items()]


def _effect(lanes: Lanes, factor: Factor, sign: int) -> Effect:
    each = race.concentration(lanes.effective, lanes.members)
    concentration, dominated = (
        factors.differences(lanes, factor, outcome, _DESIGN)
        for outcome in (each, lanes.dominated.astype(float))
    )
    return Effect(factor, sign, stats.paired(concentration, FAMILY), dominated, FAMILY)
