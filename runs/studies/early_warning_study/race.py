"""What the model of a race predicts for the study's factors: members as products of scalars.

A member of h hidden layers is a chain of d = h + 1 scalar weights whose product is its strength
s_j; the ensemble's is their mean, the target's is 1. Gradient flow of Eq. 4 (Webb et al. 2020)
with balanced weights, weight decay w, and the learning rate times M as in the study:

    ds_j/dt = d s_j^(2 − 2/d) (λ (1 − mean s) + (1 − λ) (1 − s_j)) − d w s_j
"""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

Floats = NDArray[np.float64]

GAIN = 0.4
"""Initial weight of a chain with a starting factor of 1: about √(1/6), by which a layer of ReLUs
multiplies the size of its inputs if weights are uniform in ±1/√fan_in."""
TIME = 20.0
"""Length of training, in units in which a linear member learns at rate 1."""


def strengths(
    start: Floats, depth: int, lam: float, *, decay: float = 0.0, time: float = TIME
) -> Floats:
    """Return the strengths (M,) after a time, of members whose weights start at `start` (M,)."""
    d = depth + 1

    def flow(_: float, log_s: Floats) -> Floats:
        s = np.exp(log_s)
        residual = lam * (1 - s.mean()) + (1 - lam) * (1 - s)
        return np.asarray(d * s ** (1 - 2 / d) * residual - d * decay)

    solved = solve_ivp(
        flow, (0, time), d * np.log(start), method="LSODA", rtol=1e-8, atol=1e-10, t_eval=[time]
    )
    return np.asarray(np.exp(solved.y[:, -1]))


def effective(share: Floats) -> float:
    """Return the number of members over which shares (M,) are spread: (Σ s)² / Σ s²."""
    return float(share.sum() ** 2 / (share**2).sum())


def concentration(effective_members: Floats | float, members: NDArray[np.int64] | int) -> Floats:
    """Return (M − effective members) / (M − 1): 0 if all carry alike, 1 if one carries all."""
    return np.asarray((members - np.asarray(effective_members)) / (np.asarray(members) - 1))
