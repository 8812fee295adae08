"""Products of vectors with the curvature of the joint-training loss by the members' weights.

Two matrices: the Hessian, and the generalised Gauss-Newton matrix (GGN) JᵀRJ, with J the
derivative of the outputs by the weights and R the Hessian of the loss by the outputs. The GGN
leaves out the outputs' own curvature; it is never negative, and between two members it is the
Hessian, for members share no weights. Neither is ever formed.

A vector is flat, member after member: (M·P,), as is (M, P) when it is reshaped. The graph of the
gradient is built once and kept, so that a product costs about two gradients.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
"""Parameters (M, …) by name."""
OutputMap = Callable[[Tensor], Tensor]
"""A linear map of outputs (M, n, K) into themselves."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What curvature needs to know of an exponential family."""

    covariance: Callable[[Tensor, Tensor], Tensor]
    """Σ(η)v for η and v (..., K): the second derivative of the log-partition, times a vector."""


def _categorical(logits: Tensor, vector: Tensor) -> Tensor:
    q = torch.softmax(logits, -1)
    return q * (vector - (q * vector).sum(-1, keepdim=True))


CATEGORICAL = Family(covariance=_categorical)


def output_hessian(logits: Tensor, lam: float, family: Family = CATEGORICAL) -> OutputMap:
    """Return R, the Hessian by the outputs (M, n, K) of the joint loss averaged over examples.

    (Rv)_j = (λ/M) Σ̄ v̄ + ((1−λ)/M) Σ_j v_j, with v̄ the mean over members.
    """
    members, examples, _ = logits.shape
    mean = logits.mean(0)

    def product(v: Tensor) -> Tensor:
        shared = lam * family.covariance(mean, v.mean(0))
        own = (1 - lam) * family.covariance(logits, v)
        return (shared + own) / (members * examples)

    return product


def own_hessian(logits: Tensor, lam: float, family: Family = CATEGORICAL) -> OutputMap:
    """Return R's diagonal blocks: (λ/M²) Σ̄ v_j + ((1−λ)/M) Σ_j v_j, nothing between members."""
    members, examples, _ = logits.shape
    mean = logits.mean(0)

    def product(v: Tensor) -> Tensor:
        shared = lam / members * family.covariance(mean, v)
        own = (1 - lam) * family.covariance(logits, v)
        return (shared + own) / (members * examples)

    return product


def agreement(v: Tensor) -> Tensor:
    """Return the consensus part of outputs (M, n, K): their mean, for every member."""
    return v.mean(0, keepdim=True).expand_as(v)


def disagreement(v: Tensor) -> Tensor:
    """Return what is left of outputs (M, n, K) without their consensus part."""
    return v - v.mean(0, keepdim=True)


def between(project: OutputMap, inner: OutputMap) -> OutputMap:
    """Return project·inner·project: curvature along some output directions alone."""
    return lambda v: project(inner(project(v)))


class Tangents:
    """Outputs of members as a function of their weights, linearised once and kept.

    Args:
        outputs: From weights by name to outputs (M, n, K); differentiable twice.
        weights: Where to linearise; the order of their names is that of flat vectors.
    """

    def __init__(self, outputs: Callable[[Weights], Tensor], weights: Weights) -> None:
        self._weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
        self.outputs = outputs(self._weights)
        """(M, n, K), with their graph."""
        self._dual = torch.zeros_like(self.outputs, requires_grad=True)

    @functools.cached_property
    def _pulled(self) -> tuple[Tensor, ...]:
        return self._gradient(self.outputs, self._dual, create_graph=True)

    @property
    def members(self) -> int:
        """Members, M."""
        return self.outputs.shape[0]

    @property
    def size(self) -> int:
        """Weights of all members, M·P."""
        return sum(weight.numel() for weight in self._weights.values())

    def push(self, v: Tensor) -> Tensor:
        """Return J v: how the outputs (M, n, K) move with weights (M·P,)."""
        pieces = self._split(v)
        # The derivative of Jᵀu by u, which is linear, gives J without forward mode.
        [moved] = torch.autograd.grad(self._pulled, [self._dual], pieces, retain_graph=True)
        return moved

    def pull(self, u: Tensor) -> Tensor:
        """Return Jᵀ u, (M·P,), for outputs u (M, n, K)."""
        return self._joined(self._gradient(self.outputs, u))

    def gauss_newton(self, inner: OutputMap) -> Callable[[Tensor], Tensor]:
        """Return the product with Jᵀ·inner·J."""
        return lambda v: self.pull(inner(self.push(v)))

    def kernel(self, inner: OutputMap) -> OutputMap:
        """Return the product with inner·J·Jᵀ·inner, between outputs (M, n, K)."""
        return lambda u: inner(self.push(self.pull(inner(u))))

    def hessian(self, loss: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the product with the Hessian of a loss that was made of `outputs`."""
        gradient = self._gradient(loss, None, create_graph=True)

        def product(v: Tensor) -> Tensor:
            found = torch.autograd.grad(
                gradient, list(self._weights.values()), self._split(v), retain_graph=True
            )
            return self._joined(found)

        return product

    def gradient(self, loss: Tensor) -> Tensor:
        """Return the gradient (M·P,) of a loss that was made of `outputs`."""
        return self._joined(self._gradient(loss, None))

    def _gradient(
        self, of: Tensor, along: Tensor | None, *, create_graph: bool = False
    ) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            of,
            list(self._weights.values()),
            along,
            retain_graph=True,
            create_graph=create_graph,
            materialize_grads=True,
        )

    def _split(self, v: Tensor) -> list[Tensor]:
        widths = [weight[0].numel() for weight in self._weights.values()]
        pieces = torch.split(v.view(self.members, -1), widths, 1)
        return [
            piece.reshape(weight.shape)
            for piece, weight in zip(pieces, self._weights.values(), strict=True)
        ]

    def _joined(self, pieces: tuple[Tensor, ...]) -> Tensor:
        return torch.cat([piece.reshape(self.members, -1) for piece in pieces], 1).view(-1)
