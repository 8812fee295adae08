"""The rules of the early warning: each compares one number of a lane with one limit."""

from collections.abc import Iterable

import numpy as np

from jtdiag.rules import (
    codependence,
    divergence,
    diversity_explosion,
    dominance,
    over_capacity,
    stagnation,
)
from jtdiag.rules.contract import History, Rule, Verdict

RULES: dict[str, Rule] = {
    module.RULE.name: module.RULE
    for module in (
        dominance,
        codependence,
        stagnation,
        diversity_explosion,
        divergence,
        over_capacity,
    )
}
NAMES = tuple(RULES)


def judge(history: History, wanted: Iterable[str] = NAMES) -> list[Verdict]:
    """Return what the rules say after the last epoch of a history."""
    with np.errstate(over="ignore", invalid="ignore"):  # of members that diverged
        found = [RULES[name].judge(history) for name in wanted]
    return [verdict for verdict in found if verdict is not None]


def scores(history: History) -> dict[str, float]:
    """Return what each rule compares after the last epoch; NaN where it cannot be told."""
    with np.errstate(over="ignore", invalid="ignore"):
        return {name: rule.score(history) for name, rule in RULES.items()}


def first(history: History, wanted: Iterable[str] = NAMES) -> list[Verdict]:
    """Return what each rule said when it first spoke, epoch by epoch; who is silent is missing."""
    told: dict[str, Verdict] = {}
    for epoch in history.epoch:
        still = [name for name in wanted if name not in told]
        told |= {v.rule: v for v in judge(history.until(int(epoch)), still)}
    return list(told.values())
