"""Evaluating the installed rules on the history of a lane."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from jtdiag.errors import RecipeError
from jtdiag.rules.contract import History, Rule, Verdict
from jtdiag.rules.registry import RULES


def judge(history: History, names: Iterable[str] | None = None) -> list[Verdict]:
    """Return the verdicts of the rules that fire after the last epoch of a history.

    Args:
        history: Training metrics of one lane.
        names: Rules to evaluate; by default all installed ones.

    Raises:
        RecipeError: if a rule is not installed, or returns a verdict under another name.
    """
    wanted = RULES.names() if names is None else names
    with np.errstate(over="ignore", invalid="ignore"):  # members may have diverged
        verdicts = [_judge(name, history) for name in wanted]
    return [verdict for verdict in verdicts if verdict is not None]


def _judge(name: str, history: History) -> Verdict | None:
    rule = RULES.find(name)
    seen = _seen_by(rule, history)
    verdict = None if seen is None else rule.judge(seen)
    if seen is None or verdict is None:
        return None
    if verdict.rule != name:
        raise RecipeError(
            f"Rule '{name}' returned a verdict of a rule named '{verdict.rule}'; "
            "the two names must be the same."
        )
    return replace(verdict, epoch=verdict.epoch + history.last - seen.last)


def _seen_by(rule: Rule, history: History) -> History | None:
    """Return the epochs that a rule looks at; None if there are none yet."""
    return history.with_heads() if rule.needs_heads else history


def scores(history: History) -> dict[str, float]:
    """Return the number of each installed rule after the last epoch; NaN where not defined."""
    with np.errstate(over="ignore", invalid="ignore"):
        return {rule.name: _score(rule, history) for rule in RULES.all()}


def _score(rule: Rule, history: History) -> float:
    seen = _seen_by(rule, history)
    return np.nan if seen is None else rule.score(seen)
