"""Spectral density of a symmetric matrix by stochastic Lanczos quadrature.

For a random start vector, the Ritz values with the squared first components of their eigenvectors
as weights are a Gauss quadrature of the spectral measure of that vector. The mean over start
vectors converges to the spectral density, and their spread gives the standard error (Golub and
Meurant 2010; Ubaru, Chen and Saad 2017).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from jtdiag.stats import standard_error
from jtdiag_probes.linalg.lanczos import Product, Ritz, lanczos, ritz

Floats = NDArray[np.floating]

SMALLEST_DECADE = -3
"""Eigenvalues below ten to this power in magnitude count as 0 on the axis of a density: a few tens
of Lanczos steps do not resolve them."""
LARGEST_DECADE = 4


def quadratures(
    product: Product, size: int, steps: int, vectors: int, like: torch.Tensor, seed: int = 0
) -> list[Ritz]:
    """Return one quadrature for each random start vector, computed one after another.

    Args:
        product: Product with the matrix, for vectors (1, n).
        size: Size of the matrix, n.
        steps: Lanczos steps for each start vector.
        vectors: Number of start vectors.
        like: Tensor of the dtype and device to use.
        seed: Seed of the start vectors.
    """
    starts = random_vectors(vectors, size, like, seed)
    return [ritz(lanczos(product, start.unsqueeze(0), steps)) for start in starts]


def random_vectors(count: int, size: int, like: torch.Tensor, seed: int) -> torch.Tensor:
    """Return standard normal vectors (count, size), identical on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator).to(like)


def mean_and_error(samples: Floats) -> tuple[Floats, Floats]:
    """Return the mean over the first axis and its standard error; NaN for one sample."""
    return samples.mean(0), standard_error(samples)


def integral(quadratures: Sequence[Ritz], function: Callable[[Floats], Floats]) -> Floats:
    """Return the mean of a function over the spectrum, one estimate per vector, (vectors,)."""
    return np.array([float(q.weights.numpy() @ function(q.values.numpy())) for q in quadratures])


def decades(eigenvalues: Floats) -> Floats:
    """Map eigenvalues x to a signed axis of decades, asinh(x/2s)/ln 10 with s = 10^SMALLEST_DECADE.

    For |x| ≫ s this is ±log10(|x|/s).
    """
    return np.asarray(np.arcsinh(eigenvalues / (2 * 10.0**SMALLEST_DECADE)) / np.log(10))


def axis(points: int) -> Floats:
    """Return eigenvalues from large negative to large positive, evenly spaced in decades."""
    end = decades(np.array([10.0**LARGEST_DECADE]))[0]
    return np.sinh(np.linspace(-end, end, points) * np.log(10)) * 2 * 10.0**SMALLEST_DECADE


def density(
    quadratures: Sequence[Ritz], eigenvalues: Floats, width: float, zeros: float = 0.0
) -> tuple[Floats, Floats]:
    """Return the spectral density per decade and its standard error, (points,) each.

    Args:
        quadratures: One quadrature for each start vector.
        eigenvalues: Where to evaluate the density, (points,).
        width: Standard deviation of the Gaussian kernel, in decades.
        zeros: Fraction of eigenvalues that are known to be 0 and are not in the quadratures.
    """
    position = decades(eigenvalues)

    def curve(quadrature: Ritz) -> Floats:
        values = np.append(quadrature.values.numpy(), 0.0)
        weights = np.append((1 - zeros) * quadrature.weights.numpy(), zeros)
        distance = (position[:, None] - decades(values)) / width
        kernel = np.exp(-(distance**2) / 2) / (width * np.sqrt(2 * np.pi))
        return np.asarray(kernel @ weights)

    return mean_and_error(np.stack([curve(quadrature) for quadrature in quadratures]))
