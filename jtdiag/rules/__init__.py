"""The rules of the early warning: each compares one number of a lane with one limit."""

from collections.abc import Iterable

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
    found = (RULES[name].judge(history) for name in wanted)
    return [verdict for verdict in found if verdict is not None]


def first(history: History, wanted: Iterable[str] = NAMES) -> list[Verdict]:
    """Return what each rule said when it first spoke, epoch by epoch; who is silent is missing."""
    told: dict[str, Verdict] = {}
    for epoch in history.epoch:
        still = [name for name in wanted if name not in told]
        told |= {v.rule: v for v in judge(history.until(int(epoch)), still)}
    return list(told.values())
