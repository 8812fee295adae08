"""Numbers over the modes of an ensemble: effective members, and the modes that each one wins."""

from typing import Any

import numpy as np

from jtdiag_probes.shared.decomposition import effective_members
from jtdiag_probes.specialisation.modes import Modes

BY_MODE = ("singular_value", "mode_weight", "mode_share", "mode_effective_members")
"""Results with modes as first dimension."""


def of_modes(modes: Modes) -> dict[str, Any]:
    """Return singular values, weights, shares and what follows from them; NaN without modes.

    Returns:
        The names of `BY_MODE`, (modes, …); ``effective_members_per_mode``, a number; ``modes_won``
        and ``weight_won``, (M,). A tie is won by the first of its members.
    """
    members = modes.share.shape[1]
    effective = effective_members(modes.share)
    real = np.isfinite(effective)
    weight = modes.weight
    numbers = {
        "singular_value": modes.singular_value,
        "mode_weight": weight,
        "mode_share": modes.share,
        "mode_effective_members": effective,
    }
    winner = modes.share[real].argmax(1)
    unknown = 0.0 if real.any() else np.nan
    return {
        **numbers,
        "effective_members_per_mode": float((weight[real] * effective[real]).sum()) + unknown,
        "modes_won": np.bincount(winner, minlength=members) + unknown,
        "weight_won": np.bincount(winner, weight[real], minlength=members) + unknown,
    }
