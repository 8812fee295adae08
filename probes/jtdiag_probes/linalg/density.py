"""Spectral density of a symmetric matrix by stochastic Lanczos quadrature.

For a random start vector the Ritz values, with the squared first coordinates of their vectors as
weights, are a Gauss quadrature of the spectrum as that vector sees it; the mean over start
vectors tends to the spectrum itself, and their spread gives the standard error (Golub and Meurant
2010; Ubaru, Chen and Saad 2017).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from jtdiag_probes.linalg.lanczos import Product, Ritz, lanczos, ritz

Floats = NDArray[np.floating]

SMALLEST_DECADE = -3
"""On the axis of a density, eigenvalues nearer to 0 than ten to this power count as 0: some tens
of steps do not resolve what lies closer, and would put the many zeros now here, now there."""
LARGEST_DECADE = 4


def quadratures(
    product: Product, size: int, steps: int, vectors: int, like: torch.Tensor, seed: int = 0
) -> list[Ritz]:
    """Return one quadrature for each of some random start vectors, one after another.

    Args:
        product: Between vectors (1, n).
        size: n.
        steps: Steps of Lanczos for each.
        vectors: Start vectors.
        like: Gives the type and the device.
        seed: Of the start vectors.
    """
    starts = random_vectors(vectors, size, like, seed)
    return [ritz(lanczos(product, start.unsqueeze(0), steps)) for start in starts]


def random_vectors(count: int, size: int, like: torch.Tensor, seed: int) -> torch.Tensor:
    """Return normal vectors (count, size), the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator).to(like)


def mean_and_error(samples: Floats) -> tuple[Floats, Floats]:
    """Return the mean over the first axis and its standard error; NaN for one sample."""
    count = len(samples)
    if count < 2:
        return samples.mean(0), np.full(samples.shape[1:], np.nan)
    return samples.mean(0), samples.std(0, ddof=1) / np.sqrt(count)


def integral(found: Sequence[Ritz], function: Callable[[Floats], Floats]) -> Floats:
    """Return the mean of a function over the spectrum as each start vector sees it, (vectors,)."""
    return np.array([float(one.weights.numpy() @ function(one.values.numpy())) for one in found])


def decades(eigenvalues: Floats) -> Floats:
    """Return eigenvalues on an axis of decades, odd about 0: ±1 at ±ten times the smallest.

    asinh(x/2s)/ln 10 with s the smallest told from 0, which is log10(x/s) for x far above s.
    """
    return np.asarray(np.arcsinh(eigenvalues / (2 * 10.0**SMALLEST_DECADE)) / np.log(10))


def axis(points: int) -> Floats:
    """Return eigenvalues, evenly spaced in decades from large negative to large positive."""
    end = decades(np.array([10.0**LARGEST_DECADE]))[0]
    return np.sinh(np.linspace(-end, end, points) * np.log(10)) * 2 * 10.0**SMALLEST_DECADE


def density(found: Sequence[Ritz], at: Floats, width: float) -> tuple[Floats, Floats]:
    """Return the density by decade at some eigenvalues, and its standard error, (points,).

    Args:
        found: One quadrature for each start vector.
        at: Eigenvalues, (points,).
        width: Standard deviation, in decades, of the normal curve that replaces each value.
    """
    place = decades(at)

    def curve(one: Ritz) -> Floats:
        off = (place[:, None] - decades(one.values.numpy())) / width
        bumps = np.exp(-(off**2) / 2) / (width * np.sqrt(2 * np.pi))
        return np.asarray(bumps @ one.weights.numpy())

    return mean_and_error(np.stack([curve(one) for one in found]))
