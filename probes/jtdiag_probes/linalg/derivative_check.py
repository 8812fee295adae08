"""Check that products with derivatives agree with differences.

A layer may have a second derivative that autograd cannot form, or that it forms wrongly without an
error: fused kernels, and custom functions whose backward pass is not differentiable. Products with
such a Hessian look like any other, so one of each kind is compared with a central difference.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

TOLERANCE = 1e-3
"""Relative difference from which a product counts as wrong."""
STEPS = (1e-5, 1e-6, 1e-7, 1e-8)
"""Lengths of the difference as fractions of the norm of the point. The best agreement counts: a
long step may cross a kink of a piecewise linear network, a short one is dominated by rounding."""


def disagreement(
    function: Callable[[Tensor], Tensor], point: Tensor, direction: Tensor, product: Tensor
) -> float:
    """Return ‖product − difference‖/‖difference‖ for a derivative along a direction.

    Args:
        function: Maps points (n,) to values of any shape, in float64.
        point: (n,)
        direction: (n,), not zero.
        product: Derivative of the function along `direction`, shaped as its values.

    Returns:
        0 if both are zero; infinity if only the difference is finite, or zero; NaN if it is not
        finite, as for a network that has diverged.
    """
    unit = float(point.norm().clamp(min=1) / direction.norm())
    smallest = math.inf
    for step in STEPS:
        gap = _relative(function, point, direction, product, step * unit)
        if math.isnan(gap) or gap <= TOLERANCE:
            return gap
        smallest = min(smallest, gap)
    return smallest


def _relative(
    function: Callable[[Tensor], Tensor],
    point: Tensor,
    direction: Tensor,
    product: Tensor,
    length: float,
) -> float:
    ahead, behind = (function(point + sign * length * direction).detach() for sign in (1, -1))
    difference = (ahead - behind) / (2 * length)
    # Rounding of the values, divided by the step: below it, both count as zero.
    noise = 10 * torch.finfo(torch.float64).eps * float(ahead.norm()) / length
    if not bool(difference.isfinite().all()):
        return math.nan
    if not bool(product.isfinite().all()):
        return math.inf
    gap = float((product - difference).norm())
    if gap <= noise:
        return 0.0
    size = float(difference.norm())
    return gap / size if size > 0 else math.inf
