"""Multilayer perceptrons, as in Webb et al. 2020: 784-h-10 and deeper."""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from jtdiag.engine.architectures.batch_norm import EPSILON, MOMENTUM, stacked_norm
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.architectures.parts import HEAD, Parts
from jtdiag.store.layout import Parameter

ACTIVATIONS: Mapping[str, tuple[type[nn.Module], Callable[[Tensor], Tensor]]] = {
    "relu": (nn.ReLU, torch.relu_),
    "tanh": (nn.Tanh, torch.tanh_),
}
"""As a module, and in place."""


class Perceptron(nn.Module):
    """One member: ``layer1``, ``layer2``, …, each but the last with ``norm1``, … and activation."""

    def __init__(
        self, widths: tuple[int, ...], *, norm: bool = False, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.hidden = len(widths) - 2
        self.norm = norm
        self.activation = ACTIVATIONS[activation][0]()
        for i in range(1, len(widths)):
            self.add_module(f"layer{i}", nn.Linear(widths[i - 1], widths[i]))
            if norm and i <= self.hidden:
                self.add_module(f"norm{i}", nn.BatchNorm1d(widths[i], EPSILON, MOMENTUM))

    def parts(self) -> Parts:
        """Return a part for each hidden layer, with what follows it, and the head."""
        hidden = {f"layer{i}": partial(self._hidden, i) for i in range(1, self.hidden + 1)}
        return {**hidden, HEAD: self._head}

    def _hidden(self, i: int, h: Tensor) -> Tensor:
        h = self.get_submodule(f"layer{i}")(h.flatten(1))
        if self.norm:
            h = self.get_submodule(f"norm{i}")(h)
        activated: Tensor = self.activation(h)
        return activated

    def _head(self, h: Tensor) -> Tensor:
        logits: Tensor = self.get_submodule(f"layer{self.hidden + 1}")(h.flatten(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) for inputs (B, …)."""
        for part in self.parts().values():
            x = part(x)
        return x


class MLP(ModuleStack):
    """M perceptrons, stacked.

    Activations are (L, units of all members, B). The first layer is one matrix product per lane for
    all members, since all receive the same examples, and no layer needs a transpose.
    """

    def __init__(
        self,
        count: int,
        input_shape: tuple[int, ...],
        hidden: tuple[int, ...],
        outputs: int,
        *,
        norm: bool = False,
        activation: str = "relu",
    ) -> None:
        self.widths = (math.prod(input_shape), *hidden, outputs)
        self.dims = ("input", *(f"unit{i + 1}" for i in range(len(hidden))), "output")
        self.norm = norm
        self.activation = ACTIVATIONS[activation][1]
        super().__init__(count, lambda: Perceptron(self.widths, norm=norm, activation=activation))

    @property
    def parameters(self) -> dict[str, Parameter]:
        """``layerN.weight`` (out, in) and ``layerN.bias`` (out), as in torch.nn.Linear.

        With BatchNorm, ``normN.weight`` and ``normN.bias`` (out) follow for every hidden layer.
        """
        parameters = {}
        for i in range(1, len(self.widths)):
            shape = (self.widths[i], self.widths[i - 1])
            dims = (self.dims[i], self.dims[i - 1])
            parameters[f"layer{i}.weight"] = Parameter(shape=shape, dims=dims)
            parameters[f"layer{i}.bias"] = Parameter(shape=shape[:1], dims=dims[:1])
            if self._has_norm(i):
                for name in ("weight", "bias"):
                    parameters[f"norm{i}.{name}"] = Parameter(shape=shape[:1], dims=dims[:1])
        return parameters

    @property
    def buffers(self) -> dict[str, Parameter]:
        """Running statistics of BatchNorm, with the dimension of their units."""
        return {
            name: Parameter(
                shape=buffer.shape,
                dims=(f"unit{name.partition('.')[0].removeprefix('norm')}",) * len(buffer.shape),
                dtype=buffer.dtype,
            )
            for name, buffer in super().buffers.items()
        }

    def _has_norm(self, layer: int) -> bool:
        return self.norm and layer < len(self.widths) - 1

    def initial(
        self, generator: torch.Generator, members: range | None = None
    ) -> dict[str, Tensor]:
        """Return weights and biases from U(±1/√fan_in), the default of torch and of Webb et al.

        BatchNorm begins with scale 1 and shift 0, and draws nothing.
        """
        members = range(self.count) if members is None else members
        count = len(members)
        state = {}
        for i in range(1, len(self.widths)):
            bound = 1 / math.sqrt(self.widths[i - 1])
            for name in (f"layer{i}.weight", f"layer{i}.bias"):
                uniform = self._uniform(self.parameters[name].shape, generator, members)
                state[name] = (2 * uniform - 1) * bound
            if self._has_norm(i):
                shape = (count, self.widths[i])
                for name in ("weight", "running_var"):
                    state[f"norm{i}.{name}"] = torch.ones(shape, dtype=torch.float64)
                for name in ("bias", "running_mean"):
                    state[f"norm{i}.{name}"] = torch.zeros(shape, dtype=torch.float64)
                state[f"norm{i}.num_batches_tracked"] = torch.zeros(count, dtype=torch.int64)
        return state

    def _uniform(
        self, shape: tuple[int, ...], generator: torch.Generator, members: range
    ) -> Tensor:
        """Draw numbers from U(0, 1) for all members, and return those of some."""
        drawn = (
            torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(self.count)
        )
        return torch.stack([own for member, own in enumerate(drawn) if member in members])

    def stacked(self, state: State, h: Tensor, start: int, stop: int, *, training: bool) -> Tensor:
        """Compute the layers after `start` up to `stop`: see `ModuleStack.run`."""
        bias = state[f"layer{start + 1}.bias"]
        lanes, members = bias.shape[:2]  # fewer than M where memory is short
        h = h.transpose(2, 3) if start else h.flatten(2).transpose(1, 2)
        batch = h.shape[-1]
        for i in range(start + 1, stop + 1):
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
            if self._has_norm(i):
                h = stacked_norm(state, f"norm{i}", h.reshape(1, -1, batch), training)
            if i < len(self.widths) - 1:
                h = self.activation(h)
        h = h.reshape(lanes, members, self.widths[stop], batch)
        return h if stop == len(self.widths) - 1 else h.transpose(2, 3)
