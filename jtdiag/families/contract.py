"""Likelihoods as exponential families in canonical form.

A member predicts canonical parameters η (..., K) of an example with target y. Then

    −log q(y) = A(η) − ⟨η, T(y)⟩ + h(y),   mean μ = ∇A(η),   Σ = ∇²A(η).

A family needs two functions, `log_partition` and `link`. All others have defaults derived from
them; override one where a closed form is faster or more accurate. All functions take torch tensors
of any floating dtype with any leading axes.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Family(ABC):
    """A likelihood. A user-defined class is created without arguments."""

    classes = False
    """Whether a target is one of K classes, (...) int64; otherwise it is K numbers, (..., K)."""
    standardised = False
    """Whether targets are standardized to mean 0 and variance 1 on the training part."""
    free = True
    """Whether every real number is a valid canonical parameter; otherwise define `parameter`."""
    relative = True
    """Whether errors are reported relative to the error of the best constant prediction."""
    error_measure = "fraction of deviance unexplained"
    """Description of the error, which is a fraction."""

    @abstractmethod
    def log_partition(self, eta: Tensor) -> Tensor:
        """Return A(η) of canonical parameters (..., K), as (...), in nats."""

    @abstractmethod
    def link(self, mean: Tensor) -> Tensor:
        """Return the canonical parameters (..., K) of means (..., K): the inverse of `mean`."""

    def parameter(self, raw: Tensor) -> Tensor:
        """Map the outputs (..., K) of a network to canonical parameters."""
        return raw

    def mean(self, eta: Tensor) -> Tensor:
        """Return μ = ∇A(η), (..., K): the expectation of T(y)."""
        gradient: Tensor = torch.func.grad(lambda e: self.log_partition(e).sum())(eta)
        return gradient

    def hessian(self, eta: Tensor) -> Tensor:
        """Return Σ = ∇²A(η), (..., K, K): the covariance of T(y)."""
        outputs = eta.shape[-1]
        jacobian = torch.func.vmap(torch.func.jacrev(self.mean))
        hessian: Tensor = jacobian(eta.reshape(-1, outputs))
        return hessian.reshape(*eta.shape, outputs)

    def statistic(self, target: Tensor, outputs: int) -> Tensor:
        """Return the sufficient statistic T(y), (..., K); by default the target itself."""
        return target

    def base(self, target: Tensor) -> Tensor:
        """Return h(y), (...), in nats; by default 0, which omits a constant from the loss."""
        return torch.zeros_like(target[..., 0])

    def loss(self, eta: Tensor, target: Tensor) -> Tensor:
        """Return −log q(y), (...), in nats, for targets that broadcast against the parameters."""
        if not self.classes:
            target = target.to(eta.dtype)
        linear = (eta * self.statistic(target, eta.shape[-1]).to(eta.dtype)).sum(-1)
        return self.log_partition(eta) - linear + self.base(target).to(eta.dtype)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return KL(q‖other) of canonical parameters (..., K), as (...), in nats; 0 or more."""
        linear = ((other - eta) * self.mean(eta)).sum(-1)
        return self.log_partition(other) - self.log_partition(eta) - linear

    def centred(self, eta: Tensor) -> Tensor:
        """Remove components that do not affect the prediction, such as the shift of a softmax."""
        return eta

    # --- errors and data -------------------------------------------------------------------------

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the error (...) of predicted means (..., K); by default the deviance.

        The deviance is twice the difference between the loss and the lowest possible loss.
        """
        statistic = self.statistic(target, mean.shape[-1]).to(mean.dtype)
        predicted, best = self.link(mean), self.link(statistic)
        linear = ((best - predicted) * statistic).sum(-1)
        return 2 * (self.log_partition(predicted) - self.log_partition(best) + linear)

    def vote_error(self, mean: Tensor, target: Tensor) -> Tensor | None:
        """Return the error (N,) of a majority vote of members' means (M, N, K); None if undefined.

        A tie counts as a uniform random draw among the tied outcomes.
        """
        return None

    def chance(self, target: Tensor, outputs: int) -> float:
        """Return the mean error on targets (N, …) of the best constant prediction."""
        mean = self.statistic(target, outputs).double().mean(0).expand(len(target), outputs)
        return float(self.error(mean, target).mean())

    def chance_loss(self, target: Tensor, outputs: int) -> float | None:
        """Return the mean loss of the best constant prediction, in nats; None if it is unknown.

        For classes, this is the entropy of their frequencies: ln K if their sizes are equal.
        """
        if not self.classes:
            return None
        return float(torch.special.entr(class_frequencies(target, outputs)).sum())

    def complaint(self, target: Tensor) -> str:
        """Return what is wrong with targets, such as "contains -1; …", or "" if they are valid."""
        return ""


def class_frequencies(target: Tensor, outputs: int) -> Tensor:
    """Return the relative frequency of each of K classes in targets (N,), (K,), in float64."""
    return torch.bincount(target.cpu().long(), minlength=outputs).double() / len(target)
