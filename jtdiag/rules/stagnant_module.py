"""Stagnant modules: a module's local head errs more than that of the module before it.

Both heads see the same n examples, so the difference of their numbers of errors has at most the
variance of the sum, as in McNemar's test: n (e₁ + e₂), where examples on which both are wrong count
twice. For the mean over members this is an upper bound too. Modules that are as good as each other
differ by less, in any epoch. Later modules begin to learn later, so those whose errors still
decrease quickly are not judged.
"""

import math

import numpy as np
from numpy.typing import NDArray

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import Floats, History, Rule, Verdict


def excess(history: History) -> Floats:
    """Return how much more each hidden module errs than the one before it, in standard errors.

    Of shape (K − 2,), from the second module on, in the last epoch; NaN if unknown.
    """
    modules, examples = history.modules, history.examples
    if modules is None or modules.module_error is None or not examples:
        return np.full(1, np.nan)
    error = modules.module_error[-1, :, :-1].mean(0)
    both = error[1:] + error[:-1]
    return np.divide(
        np.diff(error) * math.sqrt(examples), np.sqrt(both), out=np.zeros_like(both), where=both > 0
    )


def score(history: History) -> float:
    """Return the largest excess of errors of a hidden module, in standard errors."""
    return float(excess(history).max(initial=-np.inf)) if excess(history).size else float("nan")


def _still_learning(history: History, error: Floats) -> NDArray[np.bool_]:
    """Return which modules, from the second one on, had many more errors an epoch ago, (K − 2,)."""
    before, after = error[-2:, :, 1:-1].mean(1)
    return np.asarray(before - after > limits.IMPROVEMENT * history.chance_error)


def judge(history: History) -> Verdict | None:
    """Fire where a hidden module errs significantly more than the one before it."""
    modules = history.modules
    if history.last < limits.EARLY_EPOCH or modules is None or modules.module_error is None:
        return None
    judged = np.where(_still_learning(history, modules.module_error), -np.inf, excess(history))
    number = float(judged.max(initial=-np.inf))
    if not number > limits.STAGNANT_SE:
        return None
    later = int(judged.argmax()) + 1
    error = modules.module_error[-1].mean(0)
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=number,
        limit=limits.STAGNANT_SE,
        observation=wording.stagnant_module_observation(
            module=modules.names[later],
            before=modules.names[later - 1],
            error=float(error[later]),
            error_before=float(error[later - 1]),
            excess=number,
            limit=limits.STAGNANT_SE,
        ),
        advice=wording.stagnant_module_advice(),
    )


RULE = Rule(
    name="stagnant-module",
    compares=(
        "by how much the training error of the local head of a hidden module is above that of the "
        "module before it, mean over members, in standard errors, unless the former decreased by "
        f"more than {limits.IMPROVEMENT:g} times the chance-level error in the last epoch"
    ),
    limit=limits.STAGNANT_SE,
    score=score,
    judge=judge,
)
