"""How far two gradients of the same parameters agree. Pure functions of arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Agreement(NamedTuple):
    """Of a gradient with a reference, by member, (M,)."""

    cosine: Floats
    """−1 to 1; NaN where one of both is 0 or not finite, or there is none."""
    norm_ratio: Floats
    """Norm over that of the reference, ≥ 0; NaN where the reference is 0, or there is none."""
    reference_norm: Floats
    """Norm of the reference."""


def agreement(given: Floats | None, reference: Floats) -> Agreement:
    """Compare gradients (M, D) of the M members, or none, with those of a reference (M, D)."""
    wanted = _norm(reference)
    if given is None:
        nothing = np.full_like(wanted, np.nan)
        return Agreement(nothing, nothing, wanted)
    own = _norm(given)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Divided by their norms first, so that products of small gradients do not become 0.
        cosine = ((given / own[:, None]) * (reference / wanted[:, None])).sum(1)
        ratio = own / wanted
    finite = np.isfinite(own) & np.isfinite(wanted) & (wanted > 0)
    return Agreement(
        cosine=np.where(finite & (own > 0), np.clip(cosine, -1, 1), np.nan),
        norm_ratio=np.where(finite, ratio, np.nan),
        reference_norm=wanted,
    )


def relative_to_first(norms: Floats, axis: int) -> Floats:
    """Return norms relative to those at the first position of an axis; NaN where they are 0."""
    first = np.take(norms, [0], axis)
    return norms / np.where(first > 0, first, np.nan)


def _norm(vectors: Floats) -> Floats:
    """Return the norms (M,) of vectors (M, D), scaled so that squares do not become 0."""
    largest = np.abs(vectors).max(1, initial=0)
    scale = np.where(np.isfinite(largest) & (largest > 0), largest, 1)
    norm: Floats = scale * np.linalg.norm(vectors / scale[:, None], axis=1)
    return norm
