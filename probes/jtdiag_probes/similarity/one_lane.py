"""Similarities within a lane and between trials, from unit vectors of which products are CKA."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.similarity.representations import Units

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LaneSimilarity:
    """CKA within a lane, for E epochs and L layers; NaN where features do not vary."""

    layers: Floats
    """(E, L, L), two layers of the same member, mean over members."""
    members: Floats
    """(E, L), a layer of two different members, mean over pairs; NaN for one member."""
    epochs: Floats
    """(L, E, E), a layer of the same member at two epochs, mean over members."""
    constant: Floats
    """(E, L), number of members whose features do not vary."""


def of_lane(units: Units) -> LaneSimilarity:
    """Return the similarities within a lane, from unit vectors (epoch, layer, member, D)."""
    constant = np.isnan(units).any(-1)
    return LaneSimilarity(
        layers=mean(_products(units.swapaxes(1, 2)), 1),
        members=_of_pairs(_products(units)),
        epochs=mean(_products(np.moveaxis(units, 0, 2)), 1),
        constant=constant.sum(-1).astype(np.float64),
    )


def reference(means: Units, others: Units) -> Floats:
    """Return the mean CKA (L,) of all pairs of a member of one trial and one of another.

    The mean of all products of two vectors is the product of the mean vectors.

    Args:
        means: (layer, D), means over members of the unit vectors of a trial.
        others: The same of another trial.
    """
    return np.asarray(np.minimum((means * others).sum(-1), 1))


def mean(values: Floats, axis: int) -> Floats:
    """Return the mean along an axis without NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _products(vectors: Units) -> Floats:
    """Return all inner products (…, k, k) of vectors (…, k, D), at most 1."""
    return np.minimum([part @ part.swapaxes(-1, -2) for part in vectors], 1)


def _of_pairs(products: Floats) -> Floats:
    """Return the mean (…) of products (…, M, M) of different members."""
    above = np.triu_indices(products.shape[-1], 1)
    return mean(products[..., above[0], above[1]], -1)
