"""Members from any torch.nn.Module, computed in a loop, by torch.func.vmap, or stacked."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import vmap

from jtdiag.engine import seeds, wording
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_function import ModuleFunction
from jtdiag.engine.architectures.parts import HEAD, Parts, SomeParts, is_composition, parts_of
from jtdiag.errors import RecipeError
from jtdiag.store.layout import Parameter

Factory = Callable[[], nn.Module]
"""Creates one member; its initial weights are drawn from torch's global generator."""
Execution = Literal["loop", "vmap", "stacked"]


class ModuleStack:
    """M copies of a module, each with its own parameters and buffers.

    The loop supports every module, and the other executions are tested against it. vmap requires a
    module without data-dependent control flow and without in-place changes except of its buffers.
    Subclasses may add `stacked`, with one batched operation per layer.

    A member is a sequence of layers, of which the last is the head: see `parts`. They can be run
    one after the other, and are then the whole member, bit for bit.
    """

    def __init__(self, count: int, factory: Factory, *, draws: bool = False) -> None:
        self.count = count
        self.draws = draws
        """Whether members may draw random numbers in training, as dropout does."""
        self.execution: Execution = self.executions[0]
        self.channels_last = False
        """Whether images are in channels-last memory format in the loop."""
        self.cuttable = True
        """Whether a member is computed layer by layer where that is asked for."""
        self._factory = factory
        with torch.random.fork_rng(devices=[]):
            self._template = factory()
        self._function = ModuleFunction(self._template)

    stacked: Callable[..., Tensor] | None = None
    """Batched execution of a subclass: (state, h, start, stop, training=…), as `run`."""

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Supported executions, the one that is likely to be the fastest first."""
        return ("loop", "vmap") if self.stacked is None else ("stacked", "loop", "vmap")

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Trained parameters of the module, under their names in the module."""
        return {
            name: _parameter(name, p)
            for name, p in self._template.named_parameters()
            if p.requires_grad
        }

    @property
    def frozen(self) -> dict[str, Parameter]:
        """Parameters of the module with requires_grad = False, which training leaves alone."""
        return {
            name: _parameter(name, p)
            for name, p in self._template.named_parameters()
            if not p.requires_grad
        }

    @property
    def tensors(self) -> dict[str, Parameter]:
        """Parameters, trained and frozen, and buffers."""
        return self.parameters | self.frozen | self.buffers

    @property
    def parameter_names(self) -> list[str]:
        """Names of all parameters, trained and frozen, in the order of the module."""
        return [name for name, _ in self._template.named_parameters()]

    @property
    def buffers(self) -> dict[str, Parameter]:
        """Buffers of the module, under their names in the module."""
        return {name: _parameter(name, b) for name, b in self._template.named_buffers()}

    def initial(
        self, generator: torch.Generator, members: range | None = None
    ) -> dict[str, Tensor]:
        """Return the state of M new modules, or of some; torch's global generator is restored.

        Args:
            generator: Where their seed is drawn.
            members: Of which members; by default of all M. Others are created and dropped.

        Raises:
            RecipeError: if the modules differ in more than the values of their tensors.
        """
        seed = int(torch.randint(2**62, (), generator=generator))
        members = range(self.count) if members is None else members
        states = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for member in range(members.stop):
                state = tensors_of(self._factory())
                if member in members:
                    states.append(state)
        for state in states:
            _require_same_kind(tensors_of(self._template), state)
        return {
            name: torch.stack([_exact(state[name].detach()) for state in states])
            for name in states[0]
        }

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers of a member, in order; only one if it cannot be cut."""
        return tuple(self._parts)

    @property
    def parts_differ(self) -> bool:
        """Whether the module names several parts that are not its forward pass."""
        with contextlib.suppress(Exception):  # an attribute may be called `parts` for other reasons
            return not self.cuttable and len(parts_of(self._template)) > 1
        return False

    @functools.cached_property
    def _parts(self) -> Parts:
        return parts_of(self._template) if self.cuttable else {HEAD: self._template}

    def try_parts(self, x: Tensor) -> None:
        """Cut members only if the parts of the module are the module, on examples (B, …).

        A second module is called, which may change its buffers.
        """
        module = self.another(seed=0).eval()
        own_type = next(module.parameters()).dtype
        self.cuttable = is_composition(module, x.to(own_type))

    def __call__(self, state: State, x: Tensor, *, training: bool = False) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …)."""
        if self.execution == "stacked" and self.stacked is not None:
            return self.stacked(state, x, 0, len(self.layers), training=training)
        self._template.train(training)
        return self._computed(self._function, state, x, shared=True).transpose(2, 3)

    def run(
        self, state: State, h: Tensor, start: int, stop: int, *, training: bool = False
    ) -> Tensor:
        """Compute the layers after the first `start` up to the first `stop` of all members.

        Args:
            state: Parameters and buffers (L, M, …) by name.
            h: Inputs (L, B, …) if start is 0, else features (L, M, B, …) that this method has
                returned for stop = start.
            start: Number of layers before these.
            stop: Number of layers up to the last of these, more than `start`.
            training: Normalize by batch statistics and update the buffers in place, if any.

        Returns:
            Features (L, M, B, …) in the members' own order of axes, or, if the head is among the
            layers, logits (L, M, K, B).

        Raises:
            ValueError: if there are no such layers.
        """
        parts = self._parts
        if not 0 <= start < stop <= len(parts):
            raise ValueError(
                f"start is {start} and stop is {stop}; they must be in this order from 0 to "
                f"{len(parts)}, the number of layers."
            )
        if self.execution == "stacked" and self.stacked is not None:
            return self.stacked(state, h, start, stop, training=training)
        self._template.train(training)
        some = SomeParts(self._template, list(parts.values())[start:stop])
        of_whole = {f"whole.{name}": tensor for name, tensor in state.items()}
        computed = self._computed(ModuleFunction(some), of_whole, h, shared=start == 0)
        return computed.transpose(2, 3) if stop == len(parts) else computed

    def sample(self, x: Tensor, *, training: bool, seed: int = 0) -> object:
        """Return what the module returns for examples (B, …), after a backward pass if training.

        Args:
            x: The examples.
            training: Whether in training mode.
            seed: Of the random numbers that the module draws.

        Raises:
            RuntimeError: if the output is a tensor that does not depend on a trained parameter.
            Exception: whatever the module raises.
        """
        state = self.single(x)
        weights = {name: state[name].requires_grad_(training) for name in self.parameters}
        with seeds.global_generator(x.device, seed), torch.set_grad_enabled(training):
            outputs = self.once(state, x, training=training)
            if training and isinstance(outputs, Tensor) and is_dense(outputs):
                _require_gradients(outputs, weights)
        return outputs

    def once(self, state: State, x: Tensor, *, training: bool) -> object:
        """Return what the module returns for examples (B, …) with the state of one member."""
        self._template.train(training)
        return self._function(state, x)

    def another(self, seed: int) -> nn.Module:
        """Return a new module of the factory; torch's global generator is restored."""
        with seeds.global_generator(torch.device("cpu"), seed):
            return self._factory()

    def single(self, x: Tensor) -> dict[str, Tensor]:
        """Return parameters and buffers of one member in the precision and on the device of x.

        Their values are those of some new module, the same in every call.
        """
        return copied(self._template, x)

    def activation_bytes(self, x: Tensor) -> int:
        """Return the bytes that one member saves for backward on inputs (n, …).

        Its parameters do not count, and storage shared by several tensors counts once.
        """
        saved: dict[int, int] = {}

        def record(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        state = self.single(x)
        for name in self.parameters:
            state[name].requires_grad_()
        own = {tensor.untyped_storage().data_ptr() for tensor in state.values()}
        with (
            torch.random.fork_rng(devices=[]),
            torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor),
        ):
            logits = self.once(state, x, training=True)  # alive while storages are counted
        del logits
        return sum(size for pointer, size in saved.items() if pointer not in own)

    def _computed(
        self, function: ModuleFunction, state: State, h: Tensor, *, shared: bool
    ) -> Tensor:
        """Return what a module returns for every member, (L, M, B, …).

        Args:
            function: The module whose parameters and buffers are in the state.
            state: (L, M, …) by name.
            h: (L, B, …) if members share their inputs, else (L, M, B, …).
            shared: Whether they do.
        """
        if self.execution == "vmap":
            member = functools.partial(_member, function)
            members = vmap(member, in_dims=(0, None if shared else 0), randomness="different")
            return vmap(members, in_dims=(0, 0), randomness="different")(dict(state), h)
        if self.channels_last and h.ndim > 4:
            h = h.movedim(-3, -1).contiguous().movedim(-1, -3)
        lanes, members_count = next(iter(state.values())).shape[:2]
        return torch.stack(
            [
                torch.stack(
                    [
                        _member(
                            function,
                            {name: t[lane, j] for name, t in state.items()},
                            h[lane] if shared else h[lane, j],
                        )
                        for j in range(members_count)
                    ]
                )
                for lane in range(lanes)
            ]
        )


def _member(function: ModuleFunction, state: dict[str, Tensor], h: Tensor) -> Tensor:
    """Return what one member computes, in the precision of its inputs whatever its layers use."""
    outputs = function(state, h)
    assert isinstance(outputs, Tensor)  # has been tried
    return outputs.as_subclass(Tensor).to(h.dtype)


def is_dense(tensor: Tensor) -> bool:
    """Return whether a tensor is a dense one of real numbers in floating point."""
    return tensor.is_floating_point() and tensor.layout == torch.strided


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def copied(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return copies of all tensors of a module in the precision and on the device of inputs."""
    return {
        name: in_precision(tensor.detach().clone().to(x.device), x.dtype)
        for name, tensor in tensors_of(module).items()
    }


def _require_same_kind(first: State, other: State) -> None:
    """Check that two modules have the same tensors, apart from their values.

    Raises:
        RecipeError: if they do not.
    """
    for name in (*first, *other):
        kinds = [_kind(state.get(name)) for state in (first, other)]
        if kinds[0] != kinds[1]:
            raise RecipeError(f"members.factory: {wording.unequal_members(name, *kinds)}")


def _kind(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    trained = " to be trained" if tensor.requires_grad else ""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}{trained}"


def _require_gradients(outputs: Tensor, weights: State) -> None:
    gradients: Iterable[Tensor | None] = ()
    if outputs.requires_grad:
        gradients = torch.autograd.grad(outputs.sum(), list(weights.values()), allow_unused=True)
    if all(gradient is None for gradient in gradients):
        raise RuntimeError("its output does not depend on any parameter that is trained")
    for name, gradient in zip(weights, gradients, strict=True):
        if gradient is not None and gradient.layout != torch.strided:
            raise RuntimeError(wording.sparse_gradient(name))


def in_precision(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return real numbers in a precision; integers, booleans and complex numbers keep their type.

    An index stays an index: the module uses it as one.
    """
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _exact(tensor: Tensor) -> Tensor:
    return in_precision(tensor.cpu(), torch.float64)


def _parameter(name: str, tensor: Tensor) -> Parameter:
    shape = tuple(tensor.shape)
    dims = tuple(f"{name}.{i}" for i in range(len(shape)))
    own_type = "" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return Parameter(shape=shape, dims=dims, dtype=own_type)
