"""Sentences of the conditioning probe."""

import math

from jtdiag.names import lam_text
from jtdiag.stats import Interval, with_interval

GROWTH = {
    "grid_kappa": "For fixed outputs and λ from 0.9 to 0.9999, κ⁺ with respect to the outputs",
    "kappa": "After training at each λ, κ⁺ with respect to the outputs",
    "kappa_lower": "After training at each λ, the lower bound on κ with respect to the weights",
    "weight_anisotropy": (
        "After training at each λ, the largest curvature along consensus relative to that along "
        "disagreement, with respect to the weights,"
    ),
}
"""Description of each quantity whose growth with λ is fitted."""


def too_large(members: int, classes: int, *, exact: bool) -> str:
    """Return that condition numbers are left out, and why.

    Args:
        members: M.
        classes: K.
        exact: Whether the exact κ with respect to the weights was computed.
    """
    left_out = "κ⁺ with respect to the outputs is" if exact else "Exact condition numbers are"
    return (
        f"{left_out} not measured: the time for one example is proportional to M (K − 1)³, and "
        f"with {members} members and {classes} classes that is too long. The mean curvature along "
        "consensus and along disagreement is measured."
    )


def null_directions(count: int, kappa: float) -> str:
    """Return that the loss at λ = 1 is singular with respect to the outputs.

    Args:
        count: Output directions of an example without curvature.
        kappa: κ⁺ without them; not finite where it exceeds the precision of float64.
    """
    return (
        f"λ = 1: the loss is singular with respect to the outputs: {count} output directions per "
        f"example have no curvature; excluding them, κ⁺ {_is(kappa)}. Disagreement between members "
        "receives no gradient."
    )


def outputs(
    lam: float, *, kappa: float, growth: float | None, anisotropy: float, limit: float
) -> str:
    """Return the conditioning with respect to the outputs at λ < 1.

    Args:
        lam: λ.
        kappa: Median κ⁺; not finite where it exceeds the precision of float64.
        growth: κ⁺ relative to that at λ = 0 for the same outputs; None if not known.
        anisotropy: Mean curvature along consensus over that along disagreement; it may be not
            finite, where all predictions are saturated.
        limit: Anisotropy from which plain gradient descent is slow.
    """
    relative = (
        ""
        if growth is None or lam == 0
        else f", {_rounded(growth)} times its value at λ = 0 for the same outputs"
    )
    slow = (
        ", so plain gradient descent corrects disagreement between members slowly"
        if math.isfinite(anisotropy) and anisotropy >= limit
        else ""
    )
    return (
        f"λ = {lam_text(lam)}: κ⁺ of the Hessian with respect to the outputs {_is(kappa)} "
        "(median over "
        f"examples){relative}{_anisotropy(anisotropy)}{slow}."
    )


def _anisotropy(ratio: float) -> str:
    if not math.isfinite(ratio):
        return ""
    if ratio == 1:
        return "; the mean curvature along consensus equals that along disagreement"
    return (
        f"; the mean curvature along consensus is {_rounded(ratio, 3)} times that along "
        "disagreement"
    )


def weights(
    lam: float,
    *,
    kappa: float | None,
    examples: int,
    growth: float | None,
    hessian_min: float,
    hessian_max: float,
    redundancy: Interval,
) -> str:
    """Return the conditioning with respect to the weights.

    Args:
        lam: λ.
        kappa: Lower bound on κ of the Gauss-Newton matrix; None if it is singular.
        examples: Number of examples on which it was computed.
        growth: κ relative to that at λ = 0 with the same weights; None if not known.
        hessian_min: Smallest eigenvalue of the Hessian, in nats.
        hessian_max: Largest eigenvalue of the Hessian, in nats.
        redundancy: Tangent redundancy R in percent.
    """
    counted = f"{examples} example{'' if examples == 1 else 's'}"
    if kappa is None:
        bound = f"is singular in float64 ({counted})"
    elif lam == 1:
        bound = f"has κ ≥ {_rounded(kappa)} ({counted}; null space of λ = 1 excluded)"
    elif growth is None or lam == 0:
        bound = f"has κ ≥ {_rounded(kappa)} ({counted})"
    else:
        bound = (
            f"has κ ≥ {_rounded(kappa)} ({counted}), {_rounded(growth)} times its value at λ = 0 "
            "for the same weights"
        )
    return (
        f"λ = {lam_text(lam)}: the Gauss-Newton matrix with respect to the weights {bound}; the "
        f"eigenvalues of the Hessian range from {_rounded(hessian_min)} to "
        f"{_rounded(hessian_max)} nats; tangent redundancy {with_interval(redundancy, '.0f', '%')}."
    )


def not_twice_differentiable(lam: float, error: float | None) -> str:
    """Return that the curvature with respect to the weights is not measured, and why.

    Args:
        lam: λ.
        error: Difference between products with derivatives and differences, in percent; None if
            a product could not be formed.
    """
    compared = (
        "" if error is None else f" (products differ from finite differences by {error:.2g} %)"
    )
    return (
        f"λ = {lam_text(lam)}: the curvature with respect to the weights is not measured: a "
        f"layer of the members has no correct second derivative{compared}. Write it with "
        "operations that can be differentiated twice."
    )


def growth_at_fixed_outputs(exponent: float) -> str:
    """Return how κ⁺ of the same outputs scales as λ → 1.

    Args:
        exponent: p of (1−λ)^−p.
    """
    return (
        f"{GROWTH['grid_kappa']} scales as (1−λ)^−p with p = {_fixed(exponent)}; theory predicts "
        "p = 1 for λ → 1. All points come from the same outputs, so there is no interval for p."
    )


def growth(name: str, p: Interval) -> str:
    """Return how a quantity scales with λ over trained lanes.

    Args:
        name: Name of the quantity, a key of `GROWTH`.
        p: p of (1−λ)^−p with its interval over trials, if there is one.
    """
    digits = _digits(p.low, p.high) if p.exists else 2
    fitted = f"{GROWTH[name]} scales as (1−λ)^−p with p = {with_interval(p, f'.{digits}f')}"
    if not p.exists:
        return f"{fitted}; without an interval, which needs several trials that differ."
    return f"{fitted}, {_against_theory(p)}."


def too_few_lambdas(count: int, needed: int) -> str:
    """Return that growth with λ cannot be estimated.

    Args:
        count: λs below 1.
        needed: The number needed.
    """
    values = f"{count} value{'' if count == 1 else 's'}"
    return (
        "How condition numbers of trained lanes grow with λ cannot be estimated: the run has "
        f"{values} of λ below 1, and at least {needed} are needed."
    )


def _digits(*ends: float) -> int:
    """Return the fewest decimals, from 2, at which no end of an interval is rounded to 0 or 1."""
    return next(
        (
            digits
            for digits in range(2, 9)
            if {round(end, digits) for end in ends}.isdisjoint({0, 1})
        ),
        2,
    )


def _against_theory(p: Interval) -> str:
    """Compare an interval with p = 1, the limit for λ → 1 at fixed outputs.

    Lanes also differ in their outputs, so a difference from 1 is not due to λ alone.
    """
    if p.low <= 0 <= p.high:
        return "not significantly different from no growth"
    if p.high < 0:
        return "which is a decrease"
    if p.low > 1:
        return "above the p = 1 of theory for λ → 1 at fixed outputs"
    if p.high < 1:
        return "below the p = 1 of theory for λ → 1 at fixed outputs"
    return "not significantly different from the p = 1 of theory for λ → 1 at fixed outputs"


def _is(kappa: float) -> str:
    if not math.isfinite(kappa):
        return "exceeds the precision of float64"
    return f"is {_rounded(kappa)}"


def _rounded(number: float, digits: int = 2) -> str:
    """Return a number with some significant digits, without an exponent below 10⁶."""
    return f"{float(f'{number:.{digits}g}'):g}".replace("-", "−")


def _fixed(number: float, digits: int = 2) -> str:
    return f"{number:.{digits}f}".replace("-", "−")
