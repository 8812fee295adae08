"""What a likelihood is: an exponential family, in canonical form.

A member says canonical parameters η (..., K) of an example whose target is y. Then

    −log q(y) = A(η) − ⟨η, T(y)⟩ + h(y),   mean μ = ∇A(η),   Σ = ∇²A(η).

Two functions make a family, `log_partition` and `link`; what else is here follows from them, and
is overridden where a closed form is faster or keeps more digits. All of it is torch, of any
floating type, on whatever leading axes; a probe wraps its numpy arrays without copying them.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Family(ABC):
    """One likelihood. A class of your own needs no arguments to be made."""

    classes = False
    """True where a target is one of K classes, (...) int64; else it is K numbers, (..., K)."""
    standardised = False
    """True where targets are brought to mean 0 and variance 1 in the training part first."""
    free = True
    """True where every real number is a canonical parameter; else `parameter` must map them."""
    relative = True
    """True where errors count as fractions of the error that the best constant makes."""
    error_measure = "fraction of deviance unexplained"
    """What the error is, for people; a plain fraction."""

    @abstractmethod
    def log_partition(self, eta: Tensor) -> Tensor:
        """Return A(η) of canonical parameters (..., K), as (...), in nats."""

    @abstractmethod
    def link(self, mean: Tensor) -> Tensor:
        """Return the canonical parameters (..., K) of means (..., K): the inverse of `mean`."""

    def parameter(self, raw: Tensor) -> Tensor:
        """Return the canonical parameters that a network's outputs (..., K) stand for."""
        return raw

    def mean(self, eta: Tensor) -> Tensor:
        """Return μ = ∇A(η), (..., K): the expectation of T(y)."""
        gradient: Tensor = torch.func.grad(lambda e: self.log_partition(e).sum())(eta)
        return gradient

    def hessian(self, eta: Tensor) -> Tensor:
        """Return Σ = ∇²A(η), (..., K, K): the covariance of T(y)."""
        outputs = eta.shape[-1]
        one = torch.func.vmap(torch.func.jacrev(self.mean))
        found: Tensor = one(eta.reshape(-1, outputs))
        return found.reshape(*eta.shape, outputs)

    def statistic(self, target: Tensor, outputs: int) -> Tensor:
        """Return T(y), (..., K); a target's numbers themselves, unless overridden."""
        return target

    def base(self, target: Tensor) -> Tensor:
        """Return h(y), (...), in nats; 0 unless overridden, which leaves the loss a constant."""
        return torch.zeros_like(target[..., 0])

    def loss(self, eta: Tensor, target: Tensor) -> Tensor:
        """Return −log q(y), (...), of targets that broadcast against the parameters, in nats."""
        if not self.classes:
            target = target.to(eta.dtype)
        linear = (eta * self.statistic(target, eta.shape[-1]).to(eta.dtype)).sum(-1)
        return self.log_partition(eta) - linear + self.base(target).to(eta.dtype)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return KL(q‖other) of canonical parameters (..., K), as (...), in nats; 0 or more."""
        apart = ((other - eta) * self.mean(eta)).sum(-1)
        return self.log_partition(other) - self.log_partition(eta) - apart

    def centred(self, eta: Tensor) -> Tensor:
        """Return the parameters without what changes no prediction, such as softmax's shift."""
        return eta

    # --- errors and data -------------------------------------------------------------------------

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the error (...) of predicted means (..., K); the deviance, unless overridden.

        The deviance is twice the loss above that of the best prediction for the target itself.
        """
        statistic = self.statistic(target, mean.shape[-1]).to(mean.dtype)
        predicted, best = self.link(mean), self.link(statistic)
        above = ((best - predicted) * statistic).sum(-1)
        return 2 * (self.log_partition(predicted) - self.log_partition(best) + above)

    def vote_error(self, mean: Tensor, target: Tensor) -> Tensor | None:
        """Return the error (N,) of a vote among members' means (M, N, K); None without votes.

        A tie counts as a fair draw among those that are tied.
        """
        return None

    def chance(self, target: Tensor, outputs: int) -> float:
        """Return the mean error, on targets (N, …), of the best prediction equal for all."""
        mean = self.statistic(target, outputs).double().mean(0).expand(len(target), outputs)
        return float(self.error(mean, target).mean())

    def complaint(self, target: Tensor) -> str:
        """Return what is wrong with targets, such as "holds -1; …", or "" if nothing is."""
        return ""
