"""Sentences of the conditioning probe."""

import math

GROWTH = {
    "grid_kappa": "For fixed outputs and λ ≥ 0.9, κ⁺ with respect to the outputs",
    "kappa": "After training at each λ, κ⁺ with respect to the outputs",
    "kappa_lower": "After training at each λ, the lower bound on κ with respect to the weights",
    "weight_anisotropy": (
        "After training at each λ, the largest curvature along consensus relative to that along "
        "disagreement, with respect to the weights,"
    ),
}
"""Description of each quantity whose growth with λ is fitted."""


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
        f"λ = {lam:g}: κ⁺ of the Hessian with respect to the outputs {_is(kappa)} (median over "
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
    redundancy: float,
) -> str:
    """Return the conditioning with respect to the weights.

    Args:
        lam: λ.
        kappa: Lower bound on κ of the Gauss-Newton matrix; None if it is singular.
        examples: Number of examples on which it was computed.
        growth: κ relative to that at λ = 0 with the same weights; None if not known.
        hessian_min: Smallest eigenvalue of the Hessian, in nats.
        hessian_max: Largest eigenvalue of the Hessian, in nats.
        redundancy: Tangent redundancy R, 0 to 1.
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
        f"λ = {lam:g}: the Gauss-Newton matrix with respect to the weights {bound}; the "
        f"eigenvalues of the Hessian range from {_rounded(hessian_min)} to "
        f"{_rounded(hessian_max)} nats; {100 * redundancy:.0f} % of the members' combined tangent "
        "rank is redundant."
    )


def growth(name: str, exponent: float, low: float, high: float) -> str:
    """Return how a quantity scales as λ → 1, compared with the exponent 1 that theory predicts.

    Args:
        name: Name of the quantity, a key of `GROWTH`.
        exponent: p of (1−λ)^−p.
        low: Lower end of its 95 % confidence interval; not finite if there is none.
        high: Upper end.
    """
    fitted = f"{GROWTH[name]} scales as (1−λ)^−p with p = {_fixed(exponent)}"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{fitted}; with two values of λ there is no confidence interval."
    digits = _digits(low, high)
    interval = f"95 % confidence interval {_fixed(low, digits)} to {_fixed(high, digits)}"
    return f"{fitted} ({interval}), {_against_theory(low, high)}."


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


def _against_theory(low: float, high: float) -> str:
    """Compare an interval with p = 1, the effect of λ alone at fixed outputs.

    Lanes also differ in their outputs, so an exponent above 1 is not due to λ alone.
    """
    if low <= 0:
        return "not significantly different from no growth"
    if low > 1:
        return "more than the p = 1 that theory predicts for λ alone at fixed outputs"
    if high < 1:
        return "less than the p = 1 that theory predicts for λ → 1 at fixed outputs"
    if high - low > 1:
        return "too uncertain for a comparison with the p = 1 that theory predicts for λ → 1"
    return "consistent with the p = 1 that theory predicts for λ → 1"


def _is(kappa: float) -> str:
    if not math.isfinite(kappa):
        return "exceeds the precision of float64"
    return f"is {_rounded(kappa)}"


def _rounded(number: float, digits: int = 2) -> str:
    """Return a number with some significant digits, without an exponent below 10⁶."""
    return f"{float(f'{number:.{digits}g}'):g}".replace("-", "−")


def _fixed(number: float, digits: int = 2) -> str:
    return f"{number:.{digits}f}".replace("-", "−")
