"""Counts with a log link: A(η) = Σ exp η, the ensemble is the geometric mean of the rates."""

import torch
from torch import Tensor

from jtdiag.families.contract import Family


class Poisson(Family):
    """Counts 0, 1, 2, … A member predicts log rates."""

    def log_partition(self, eta: Tensor) -> Tensor:
        """Return Σ exp η, the sum of the rates."""
        return eta.exp().sum(-1)

    def link(self, mean: Tensor) -> Tensor:
        """Return log rates."""
        return mean.log()

    def mean(self, eta: Tensor) -> Tensor:
        """Return the rates."""
        return eta.exp()

    def hessian(self, eta: Tensor) -> Tensor:
        """Return diag(exp η)."""
        return torch.diag_embed(eta.exp())

    def base(self, target: Tensor) -> Tensor:
        """Return Σ log y!."""
        return torch.lgamma(target + 1).sum(-1)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return Σ rate · (exp(d) − 1 − d) with d = other − η, accurate for small d."""
        difference = other - eta
        return (eta.exp() * (difference.expm1() - difference)).sum(-1)

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the deviance 2 Σ (y log(y/μ) − y + μ), with 0 log 0 = 0."""
        y = target.to(mean.dtype)
        return 2 * (torch.xlogy(y, y) - torch.xlogy(y, mean) - y + mean).sum(-1)

    def complaint(self, target: Tensor) -> str:
        """Require non-negative integers."""
        bad = target[(target < 0) | (target != target.round())]
        return f"contains {bad[0]:g}; counts must be non-negative integers" if len(bad) else ""


FAMILY = Poisson()
