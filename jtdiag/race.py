"""The race between members: how large each one's part of the ensemble becomes, in closed form.

A member is a chain of d scalar weights, y = w_d ⋯ w_1 x, with one input and one output: d = 1 is a
linear model, d = 2 has one hidden layer. Its strength s is the product of its weights. All weights
of a member are equal at the start and stay so under gradient flow. Of Eq. 4 of Webb et al. 2020
with half the squared error, E[x²] = 1 and E[xy] = t, the flow of M members is

    ds_j/dt = (d/M) s_j^a [λ (t − mean s) + (1 − λ) (t − s_j)],   a = 2 − 2/d.

At λ = 1 it can be integrated (`settled`). Below, all members reach the target in the end, on a slow
clock (`slow_time`, `slow_flow`). Races in deep linear networks: Saxe, Sodhani and Lewallen, ICML
2022; Shi, Shea-Brown and Buice, NeurIPS 2022.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

Floats = NDArray[np.float64]

_TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}
"""Of the integration; strengths are of the order of the target."""


def shares(strengths: ArrayLike) -> Floats:
    """Return each member's share of the ensemble, (M,), from strengths (M,); the sum is 1."""
    values = np.asarray(strengths, float)
    return np.asarray(values / values.sum())


def settled(depth: int, start: ArrayLike, target: float = 1.0) -> Floats:
    """Return the strengths (M,) at which end-to-end training (λ = 1) comes to rest.

    All members receive the same residual. With d = 1 the differences between strengths are kept,
    with d = 2 their ratios, and with more layers the differences of s^−(1 − 2/d), so that the
    largest member takes more than its part: from 0.011, 0.010, 0.009 and 0.008 it ends with 29 %
    of the ensemble for d = 2, 65 % for d = 4 and 83 % for d = 6.

    Args:
        depth: Number of weights of a member, d.
        start: Initial strengths (M,); greater than 0, except for d = 1.
        target: Strength that fits the data, t; greater than 0, except for d = 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    strengths = _checked(depth, start, target)
    if depth == 1:
        return np.asarray(strengths + (target - strengths.mean()))
    if depth == 2:
        return np.asarray(strengths * target / strengths.mean())
    power = 1 - 2 / depth
    inverse = strengths**-power
    behind = inverse - inverse.min()  # constant in time
    # The leader ends between the target (all are equal) and M times the target (it has all).
    low, high = ((count * target) ** -power for count in (len(strengths), 1))

    def surplus(leader: float) -> float:
        return float(((leader + behind) ** (-1 / power)).mean() - target)

    leader = brentq(surplus, low * (1 - 1e-9), high * (1 + 1e-9), xtol=1e-15, rtol=1e-14)
    return np.asarray((leader + behind) ** (-1 / power))


def flow(depth: int, start: ArrayLike, lam: float, time: float, target: float = 1.0) -> Floats:
    """Return the strengths (M,) after a time of gradient flow at any λ, integrated numerically.

    Args:
        depth: Number of weights of a member, d.
        start: Initial strengths (M,); greater than 0, except for d = 1.
        lam: λ in [0, 1].
        time: Learning rate times number of steps of plain gradient descent.
        target: Strength that fits the data, t; greater than 0, except for d = 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    strengths = _checked(depth, start, target)
    if not 0 <= lam <= 1:
        raise ValueError(f"lam is {lam}; it must be in [0, 1].")
    rate, power = depth / len(strengths), 2 - 2 / depth

    def slope(_: float, s: Floats) -> Floats:
        pull = lam * (target - s.mean()) + (1 - lam) * (target - s)
        return np.asarray(rate * np.abs(s) ** power * pull)

    return _integrated(slope, strengths, time)


def slow_time(depth: int, members: int, lam: float, time: float) -> float:
    """Return the time on the slow clock, τ = d (1 − λ) t / M, on which other members catch up.

    Args:
        depth: Number of weights of a member, d.
        members: Number of members, M.
        lam: λ in [0, 1].
        time: Learning rate times number of steps.
    """
    return depth * (1 - lam) * time / members


def slow_flow(depth: int, strengths: ArrayLike, tau: float) -> Floats:
    """Return the strengths (M,) at time τ of the slow clock, for λ near 1 but below it.

    The ensemble fits and stays as it is, while its members approach each other:
    ds_j/dτ = s_j^a (D − s_j) with D = Σ s^(a+1) / Σ s^a. It is the limit of `flow` as λ → 1 at a
    fixed τ, so λ, M, the depth and the length of training matter through τ alone.

    Args:
        depth: Number of weights of a member, d.
        strengths: Strengths (M,) at τ = 0, such as those that `settled` returns.
        tau: Time on the slow clock; see `slow_time`.

    Raises:
        ValueError: if an argument is out of range.
    """
    settled_strengths, power = _checked(depth, strengths, 1.0), 2 - 2 / depth

    def slope(_: float, s: Floats) -> Floats:
        speed = np.abs(s) ** power
        return np.asarray(speed * ((speed * s).sum() / speed.sum() - s))

    return _integrated(slope, settled_strengths, tau)


def _integrated(slope: object, start: Floats, time: float) -> Floats:
    if not time >= 0:
        raise ValueError(f"The time is {time}; it must be 0 or more.")
    solution = solve_ivp(slope, (0.0, time), start, method="LSODA", **_TOLERANCE)
    return np.asarray(solution.y[:, -1])


def _checked(depth: int, start: ArrayLike, target: float) -> Floats:
    """Return the strengths as an array, or raise a ValueError."""
    if depth < 1 or depth != int(depth):
        raise ValueError(f"depth is {depth}; it must be a whole number, 1 or more.")
    strengths = np.asarray(start, float)
    if strengths.ndim != 1 or strengths.size == 0:
        raise ValueError(f"The strengths have shape {strengths.shape}; they must be (M,).")
    if not np.isfinite([*strengths, target]).all():
        raise ValueError(f"strengths {strengths} and target {target} must be finite.")
    if depth > 1 and not (min(strengths.min(), target) > 0):
        raise ValueError(
            f"strengths {strengths} and target {target} must be greater than 0: a chain of "
            f"{depth} equal weights does not leave 0, and never changes its sign."
        )
    return strengths
