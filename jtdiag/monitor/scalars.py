"""Numbers of an epoch for the logger of a training framework."""

import math

import numpy as np

from jtdiag.rules import skill
from jtdiag.rules.contract import History

PREFIX = "jtdiag/"


def scalars(history: History) -> dict[str, float]:
    """Return the training metrics after the last epoch of a history, by name.

    Keys begin with ``jtdiag/``. Losses are in nats, errors fractions of wrong predictions or the
    family's own measure:

    - ensemble_loss, member_loss (mean over members), and diversity, the latter minus the former
      (Eq. 5)
    - ensemble_error, member_error (median over members)
    - median_skill and leader_share: share of the ensemble's skill, which is its improvement over
      chance, that the median member and the best member have

    Numbers that are not finite or not defined, such as shares before anything is learned, are left
    out.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        ensemble, members = float(history.ensemble_loss[-1]), float(history.member_loss[-1].mean())
        numbers = {
            "ensemble_loss": ensemble,
            "member_loss": members,
            "diversity": members - ensemble,
            "ensemble_error": float(history.ensemble_error[-1]),
            "member_error": float(np.median(history.member_error[-1])),
            "median_skill": skill.median_skill(history),
            "leader_share": skill.leader_skill(history),
        }
    return {f"{PREFIX}{name}": x for name, x in numbers.items() if math.isfinite(x)}
