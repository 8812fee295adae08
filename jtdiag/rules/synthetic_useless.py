"""Synthetic gradients that explain nothing of the gradients that they predict.

The R² of a synthesiser also falls below 0 late in training, when examples are fitted and little of
a gradient is left. What counts is therefore the highest value since synthetic gradients are used,
without the first epochs.
"""

import numpy as np

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import Floats, History, Rule, Verdict


def highest(history: History) -> Floats:
    """Return the highest R² (K − 1,) of each hidden module, mean over members; NaN if unknown."""
    modules = history.modules
    if modules is None or modules.synthetic_r2 is None:
        return np.full(1, np.nan)
    used = history.epoch - modules.warmup
    if used[-1] < limits.SYNTHETIC_EPOCHS:
        return np.full(1, np.nan)
    r2 = modules.synthetic_r2[used >= limits.EARLY_EPOCH, :, :-1].mean(1)
    return np.asarray(r2.max(0))  # NaN where a member has diverged


def score(history: History) -> float:
    """Return the highest R² of the module whose synthetic gradients explain the least."""
    return float(highest(history).min())


def judge(history: History) -> Verdict | None:
    """Fire where the R² of a module has not been above the limit, and the data are not fitted."""
    number = score(history)
    error = float(history.ensemble_error[-1])
    fitted = error < limits.TRAINING_ERROR * history.chance_error
    if not number <= limits.SYNTHETIC_R2 or fitted:
        return None
    modules = history.modules
    assert modules is not None
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=number,
        limit=limits.SYNTHETIC_R2,
        observation=wording.synthetic_useless_observation(
            module=modules.names[int(highest(history).argmin())],
            highest=number,
            limit=limits.SYNTHETIC_R2,
            epochs=history.last - modules.warmup - limits.EARLY_EPOCH + 1,
            error=error,
        ),
        advice=wording.synthetic_useless_advice(),
    )


RULE = Rule(
    name="synthetic-useless",
    compares=(
        "the highest R² of a module's synthetic gradients, mean over members, since epoch "
        f"{limits.EARLY_EPOCH} after the warm-up, if the training data are not fitted"
    ),
    limit=limits.SYNTHETIC_R2,
    score=score,
    judge=judge,
)
