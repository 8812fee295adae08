"""Whether a lane's numbers can be used at all: whether it diverged, and whether it learned."""

import math

import numpy as np

from jtdiag.rules import limits
from jtdiag.rules.contract import Floats, History


def has_diverged(history: History) -> bool:
    """Return whether a training loss after the last epoch is not finite or beyond all use.

    Beyond use is more than `limits.OVERFLOW` times the loss at chance level or, if that is unknown
    or lower, before training.
    """
    return beyond_use(history, history.member_loss[-1], history.ensemble_loss[-1])


def beyond_use(history: History, *losses: Floats) -> bool:
    """Return whether any loss is not finite, or too large in comparison with the first epoch's.

    Args:
        history: Of the lane.
        losses: In nats, of any shape.
    """
    start = float(history.ensemble_loss[0])
    scale = max(1.0, history.chance_loss or 0.0, start if math.isfinite(start) else 0.0)
    each = np.concatenate([np.ravel(loss) for loss in losses])
    return not bool(np.all(np.abs(each) <= limits.OVERFLOW * scale))  # False for NaN


def has_learned_something(history: History) -> bool:
    """Return whether the ensemble is better than chance level by more than its noise.

    Less than `skill.has_learned` asks for, which decides whether members can be compared.
    """
    error, chance = float(history.ensemble_error[-1]), history.chance_error
    least = limits.LEARNED * chance
    if history.examples is not None:
        share = min(1.0, max(0.0, error)) if math.isfinite(error) else 0.0
        noise = math.sqrt(share * (1 - share) / history.examples)
        least = max(least, limits.LEARNED_SE * noise)
    return chance - error > least  # False for NaN
