"""Evaluating the installed rules on the history of a lane."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from jtdiag.errors import RecipeError
from jtdiag.rules.contract import History, Verdict
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
    trained = history.with_heads()
    if trained is None:
        return []
    with np.errstate(over="ignore", invalid="ignore"):  # members may have diverged
        verdicts = [_judge(name, trained) for name in wanted]
    shift = history.head_from
    return [replace(v, epoch=v.epoch + shift) if shift else v for v in verdicts if v is not None]


def _judge(name: str, history: History) -> Verdict | None:
    verdict = RULES.find(name).judge(history)
    if verdict is not None and verdict.rule != name:
        raise RecipeError(
            f"Rule '{name}' returned a verdict of a rule named '{verdict.rule}'; "
            "the two names must be the same."
        )
    return verdict


def scores(history: History) -> dict[str, float]:
    """Return the number of each installed rule after the last epoch; NaN where not defined."""
    trained = history.with_heads()
    if trained is None:
        return {rule.name: np.nan for rule in RULES.all()}
    with np.errstate(over="ignore", invalid="ignore"):
        return {rule.name: rule.score(trained) for rule in RULES.all()}
