"""Products of vectors with the curvature of the joint loss with respect to the weights.

There are two matrices: the Hessian, and the generalized Gauss-Newton matrix (GGN) JᵀRJ, with J the
Jacobian of the outputs with respect to the weights and R the Hessian of the loss with respect to
the outputs. The GGN omits the curvature of the outputs. It is positive semidefinite, and its blocks
between two members equal those of the Hessian, since members share no weights. Neither matrix is
ever formed.

A vector is flat with one member after another, (M·P,), like a flattened (M, P). The graph of the
gradient is built once and reused, so that a product costs about two gradients.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
"""Parameters (M, …) by name."""
OutputMap = Callable[[Tensor], Tensor]
"""A linear map from outputs (M, n, K) to outputs."""
Covariance = Callable[[Tensor], OutputMap]
"""Maps η (..., K) to the product with Σ(η), the second derivative of the log-partition."""


def categorical(logits: Tensor) -> OutputMap:
    """Return the product with the covariance of class predictions, diag(q) − qqᵀ."""
    q = torch.softmax(logits, -1)

    def product(vector: Tensor) -> Tensor:
        weighted = q * vector
        return weighted - q * weighted.sum(-1, keepdim=True)

    return product


def output_hessian(logits: Tensor, lam: float, covariance: Covariance = categorical) -> OutputMap:
    """Return R, the Hessian of the mean joint loss with respect to the outputs (M, n, K).

    (Rv)_j = (λ/M) Σ̄ v̄ + ((1−λ)/M) Σ_j v_j, with v̄ the mean over members.
    """
    members, examples, _ = logits.shape
    of_mean, of_each = covariance(logits.mean(0)), covariance(logits)

    def product(v: Tensor) -> Tensor:
        shared = lam * of_mean(v.mean(0))
        separate = (1 - lam) * of_each(v)
        return (shared + separate) / (members * examples)

    return product


def own_hessian(logits: Tensor, lam: float, covariance: Covariance = categorical) -> OutputMap:
    """Return the diagonal blocks of R: (λ/M²) Σ̄ v_j + ((1−λ)/M) Σ_j v_j."""
    members, examples, _ = logits.shape
    of_mean, of_each = covariance(logits.mean(0)), covariance(logits)

    def product(v: Tensor) -> Tensor:
        shared = lam / members * of_mean(v)
        separate = (1 - lam) * of_each(v)
        return (shared + separate) / (members * examples)

    return product


def agreement(v: Tensor) -> Tensor:
    """Project outputs (M, n, K) on consensus: their mean, repeated for every member."""
    return v.mean(0, keepdim=True).expand_as(v)


def disagreement(v: Tensor) -> Tensor:
    """Project outputs (M, n, K) on disagreement: their deviation from the mean over members."""
    return v - v.mean(0, keepdim=True)


def between(project: OutputMap, inner: OutputMap) -> OutputMap:
    """Return project·inner·project: the curvature restricted to some output directions."""
    return lambda v: project(inner(project(v)))


class Tangents:
    """Outputs of members as a function of their weights, linearized once.

    Args:
        outputs: Maps weights by name to outputs (M, n, K); twice differentiable.
        weights: Point of the linearization; the order of names is that of flat vectors.
    """

    def __init__(self, outputs: Callable[[Weights], Tensor], weights: Weights) -> None:
        self._function = outputs
        self._weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
        self.outputs = outputs(self._weights)
        """(M, n, K), with the autograd graph."""
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

    @property
    def point(self) -> Tensor:
        """The weights of the linearization, (M·P,)."""
        return self._joined(tuple(weight.detach() for weight in self._weights.values()))

    def moved(self, point: Tensor) -> "Tangents":
        """Return the linearization of the same function at other weights (M·P,)."""
        pieces = zip(self._weights, self._split(point), strict=True)
        return Tangents(self._function, dict(pieces))

    def push(self, v: Tensor) -> Tensor:
        """Return J v, the change of the outputs (M, n, K) along weights (M·P,)."""
        pieces = self._split(v)
        # Jᵀu is linear in u, so its derivative with respect to u is J: no forward mode needed.
        return _transposed(self._pulled, pieces, [self._dual])[0]

    def pull(self, u: Tensor) -> Tensor:
        """Return Jᵀ u, (M·P,), for outputs u (M, n, K)."""
        return self._joined(self._gradient(self.outputs, u))

    def gauss_newton(self, inner: OutputMap) -> Callable[[Tensor], Tensor]:
        """Return the product with Jᵀ·inner·J."""
        return lambda v: self.pull(inner(self.push(v)))

    def kernel(self, inner: OutputMap) -> OutputMap:
        """Return the product of outputs (M, n, K) with inner·J·Jᵀ·inner."""
        return lambda u: inner(self.push(self.pull(inner(u))))

    def hessian(self, loss: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the product with the Hessian of a loss that was computed from `outputs`."""
        gradient = self._gradient(loss, None, create_graph=True)

        def product(v: Tensor) -> Tensor:
            weights = list(self._weights.values())
            return self._joined(_transposed(gradient, self._split(v), weights))

        return product

    def gradient(self, loss: Tensor) -> Tensor:
        """Return the gradient (M·P,) of a loss that was computed from `outputs`."""
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


def _transposed(
    values: Sequence[Tensor], along: Sequence[Tensor], of: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Return the gradients of Σ⟨values, along⟩; 0 for what the values do not depend on.

    Values that are constants, such as the gradient of a parameter without use, are left out:
    autograd refuses them.
    """
    pairs = [pair for pair in zip(values, along, strict=True) if pair[0].requires_grad]
    if not pairs:
        return tuple(torch.zeros_like(tensor) for tensor in of)
    variable, directions = zip(*pairs, strict=True)
    return torch.autograd.grad(
        variable, list(of), directions, retain_graph=True, materialize_grads=True
    )
