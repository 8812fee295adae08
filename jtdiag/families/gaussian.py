"""Real numbers with unit noise variance: A(η) = ½‖η‖², the loss is half the squared error.

For this family Eq. 5 of Webb et al. 2020 is Negative Correlation Learning (Liu & Yao 1999).
"""

import torch
from torch import Tensor

from jtdiag.families.contract import Family


class Gaussian(Family):
    """Real numbers. Targets are standardized to variance 1."""

    standardised = True
    error_measure = "fraction of variance unexplained"

    def log_partition(self, eta: Tensor) -> Tensor:
        """Return ½‖η‖²."""
        return 0.5 * eta.square().sum(-1)

    def link(self, mean: Tensor) -> Tensor:
        """Return the mean: the link is the identity."""
        return mean

    def mean(self, eta: Tensor) -> Tensor:
        """Return η."""
        return eta

    def hessian(self, eta: Tensor) -> Tensor:
        """Return the identity."""
        unit = torch.eye(eta.shape[-1], dtype=eta.dtype, device=eta.device)
        return unit.expand(*eta.shape, eta.shape[-1])

    def base(self, target: Tensor) -> Tensor:
        """Return ½‖y‖², without the constant ½K log 2π: a perfect prediction has loss 0."""
        return 0.5 * target.square().sum(-1)

    def loss(self, eta: Tensor, target: Tensor) -> Tensor:
        """Return ½‖η − y‖²."""
        return 0.5 * (eta - target.to(eta.dtype)).square().sum(-1)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return ½‖η − other‖²."""
        return 0.5 * (eta - other).square().sum(-1)

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the squared error, summed over outputs; the deviance."""
        return (mean - target).square().sum(-1)


FAMILY = Gaussian()
