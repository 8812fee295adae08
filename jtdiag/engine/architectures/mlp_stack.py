"""Multilayer perceptrons with ReLU, as in Webb et al. 2020: 784-h-10 and deeper."""

import math

import torch
from torch import Tensor, nn

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.store.layout import Parameter


class Perceptron(nn.Module):
    """One member: linear layers ``layer1``, ``layer2``, … with ReLU between them."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        for i in range(1, len(widths)):
            self.add_module(f"layer{i}", nn.Linear(widths[i - 1], widths[i]))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for inputs (B, …)."""
        *hidden, last = self.children()
        h = x.flatten(1)
        for layer in hidden:
            h = layer(h).relu()
        logits: Tensor = last(h)
        return logits


class MLP(ModuleStack):
    """M perceptrons, stacked.

    Activations are (L, units of all members, B). The first layer is one matrix product per lane for
    all members, since all receive the same examples, and no layer needs a transpose.
    """

    def __init__(
        self, count: int, input_shape: tuple[int, ...], hidden: tuple[int, ...], outputs: int
    ) -> None:
        self.widths = (math.prod(input_shape), *hidden, outputs)
        self.dims = ("input", *(f"unit{i + 1}" for i in range(len(hidden))), "output")
        super().__init__(count, lambda: Perceptron(self.widths))

    @property
    def parameters(self) -> dict[str, Parameter]:
        """``layerN.weight`` (out, in) and ``layerN.bias`` (out), as in torch.nn.Linear."""
        parameters = {}
        for i in range(1, len(self.widths)):
            shape = (self.widths[i], self.widths[i - 1])
            dims = (self.dims[i], self.dims[i - 1])
            parameters[f"layer{i}.weight"] = Parameter(shape=shape, dims=dims)
            parameters[f"layer{i}.bias"] = Parameter(shape=shape[:1], dims=dims[:1])
        return parameters

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return weights and biases from U(±1/√fan_in), the default of torch and of Webb et al."""
        weights = {}
        for i, (name, parameter) in enumerate(self.parameters.items()):
            bound = 1 / math.sqrt(self.widths[i // 2])
            shape = (self.count, *parameter.shape)
            uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
            weights[name] = (2 * uniform - 1) * bound
        return weights

    def stacked(self, state: State, x: Tensor, *, training: bool) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …)."""
        lanes, batch = x.shape[:2]
        members = state["layer1.bias"].shape[1]  # fewer than M where memory is short
        h = x.flatten(2).transpose(1, 2)
        for i in range(1, len(self.widths)):
            weight, bias = state[f"layer{i}.weight"], state[f"layer{i}.bias"]
            # In layer 1, lanes are the batch of the product and members its rows; later, both are
            # the batch.
            stack = lanes if i == 1 else lanes * members
            rows = lanes * members * self.widths[i] // stack
            h = torch.baddbmm(
                bias.reshape(stack, rows, 1),
                weight.reshape(stack, rows, self.widths[i - 1]),
                h.reshape(stack, self.widths[i - 1], batch) if i > 1 else h,
            )
            if i < len(self.widths) - 1:
                h = h.relu_()
        return h.reshape(lanes, members, self.widths[-1], batch)
