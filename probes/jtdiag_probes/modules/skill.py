"""Which share of the skill of linear probes is first reached at each module."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.shared import decomposition

Floats = NDArray[np.floating[Any]]


def shares(inputs: Floats, modules: Floats, chance: float) -> tuple[Floats, Floats]:
    """Return the shares of the largest skill that are first reached on inputs and at each module.

    Skill is the error at chance level minus the error, at least 0. All shares sum to 1.

    Args:
        inputs: Error of a linear classifier on the inputs (…).
        modules: Errors behind each module (…, K).
        chance: Error at chance level.

    Returns:
        (…) and (…, K); NaN where there is no skill anywhere, or an error is missing.
    """
    errors = np.concatenate([np.asarray(inputs)[..., None], modules], -1)
    reached = np.maximum.accumulate(np.maximum(chance - errors, 0), -1)
    total = reached[..., -1:]
    gains = np.diff(reached, axis=-1, prepend=0)
    usable = (total > 0) & np.isfinite(errors).all(-1, keepdims=True)
    share = np.where(usable, gains / np.where(usable, total, 1), np.nan)
    return share[..., 0], share[..., 1:]


def effective_modules(share: Floats) -> Floats:
    """Return 1/Σ c² of the modules' shares (…, K) relative to their sum: K if all are equal.

    As the effective number of members. NaN where no module adds to what the inputs have.
    """
    adds = np.asarray((share > 0).any(-1))
    number = decomposition.effective_members(np.where(adds[..., None], share, 1.0))
    return np.where(adds, number, np.nan)
