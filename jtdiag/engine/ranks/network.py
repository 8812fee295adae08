"""One network on every process, each with a part of a batch: torch's DistributedDataParallel."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from jtdiag.engine.forward import Forward
from jtdiag.engine.ranks.processes import Ranks


class SharedNetwork:
    """Computes logits of the own examples, and gradients of the examples of all processes."""

    def __init__(
        self,
        forward: Forward,
        weights: Mapping[str, Tensor],
        others: Mapping[str, Tensor],
        ranks: Ranks,
    ) -> None:
        """Use weights (L, 1, …), which an optimizer changes in place, and other tensors."""
        self._names, self._ranks = list(weights), ranks
        self._module = _Network(forward, weights, others)
        self._parallel: DistributedDataParallel | None = None

    def logits(self, x: Tensor) -> Tensor:
        """Return logits (L, M, K, b) of own examples (L, b, …) in training mode."""
        if self._parallel is None:
            self._parallel = self._started(x)
        logits: Tensor = self._parallel(x)
        return logits

    def gradients(self, logits: Tensor, by_logits: Tensor) -> dict[str, Tensor]:
        """Return the gradients of the weights by name, averaged over processes.

        Args:
            logits: Of the last call.
            by_logits: Gradient with respect to them.
        """
        parameters = list(self._module.weights)
        for parameter in parameters:
            parameter.grad = None
        with self._ranks.connected():
            torch.autograd.backward(logits, by_logits)
        # A parameter that takes no part in the forward pass has a gradient of 0.
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        return dict(zip(self._names, gradients, strict=True))

    def _started(self, x: Tensor) -> DistributedDataParallel:
        """Return the network with its processes; they wait for the gradients that there are."""
        before = {name: tensor.clone() for name, tensor in self._module.others.items()}
        parameters = list(self._module.weights)
        gradients = torch.autograd.grad(self._module(x).sum(), parameters, allow_unused=True)
        for name, tensor in before.items():
            self._module.others[name].copy_(tensor)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)
        with self._ranks.connected():
            return DistributedDataParallel(self._module)


class _Network(nn.Module):
    """The forward pass of the network as a module with the weights (L, 1, …) as parameters."""

    def __init__(
        self, forward: Forward, weights: Mapping[str, Tensor], others: Mapping[str, Tensor]
    ) -> None:
        super().__init__()
        self._forward, self._names = forward, list(weights)
        self.weights = nn.ParameterList(nn.Parameter(w.detach()) for w in weights.values())
        self.others = others
        """Frozen parameters and buffers."""

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …)."""
        state = {**self.others, **dict(zip(self._names, self.weights, strict=True))}
        return self._forward.logits(state, x, training=True)
