"""Members from any torch.nn.Module, computed in a loop, by torch.func.vmap, or stacked."""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from jtdiag.engine.architectures.contract import State
from jtdiag.store.layout import Parameter

Factory = Callable[[], nn.Module]
"""Creates one member; its initial weights are drawn from torch's global generator."""
Execution = Literal["loop", "vmap", "stacked"]


class ModuleStack:
    """M copies of a module, each with its own parameters and buffers.

    The loop supports every module, and the other executions are tested against it. vmap requires a
    module without data-dependent control flow and without in-place changes except of its buffers.
    Subclasses may add `stacked`, with one batched operation per layer.
    """

    def __init__(self, count: int, factory: Factory, *, draws: bool = False) -> None:
        self.count = count
        self.draws = draws
        """Whether members may draw random numbers in training, as dropout does."""
        self.execution: Execution = self.executions[0]
        self.channels_last = False
        """Whether images are in channels-last memory format in the loop."""
        self._factory = factory
        with torch.random.fork_rng(devices=[]):
            self._template = factory()

    stacked: Callable[..., Tensor] | None = None
    """Batched execution of a subclass: (state, x, training=…) to logits (L, M, K, B)."""

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
    def parameter_names(self) -> list[str]:
        """Names of all parameters, trained and frozen, in the order of the module."""
        return [name for name, _ in self._template.named_parameters()]

    @property
    def buffers(self) -> dict[str, Parameter]:
        """Buffers of the module, under their names in the module."""
        return {name: _parameter(name, b) for name, b in self._template.named_buffers()}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the state of M new modules; torch's global generator is restored."""
        seed = int(torch.randint(2**62, (), generator=generator))
        states = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(self.count):
                module = self._factory()
                states.append({**dict(module.named_parameters()), **dict(module.named_buffers())})
        return {
            name: torch.stack([_exact(state[name].detach()) for state in states])
            for name in states[0]
        }

    def __call__(self, state: State, x: Tensor, *, training: bool = False) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …)."""
        if self.execution == "stacked" and self.stacked is not None:
            return self.stacked(state, x, training=training)
        self._template.train(training)
        run = self._mapped if self.execution == "vmap" else self._looped
        return run(state, x).transpose(2, 3)

    def sample(self, x: Tensor, *, training: bool) -> object:
        """Return what the module returns for examples (B, …), after a backward pass if training.

        Raises:
            RuntimeError: if the output is a tensor that does not depend on a trained parameter.
            Exception: whatever the module raises.
        """
        module = {**dict(self._template.named_parameters()), **dict(self._template.named_buffers())}
        state = {
            name: in_precision(t.detach().clone().to(x.device), x.dtype)
            for name, t in module.items()
        }
        weights = [state[name].requires_grad_(training) for name in self.parameters]
        self._template.train(training)
        devices = [x.device] if x.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.set_grad_enabled(training):
            outputs: object = functional_call(self._template, state, (x,))
            if training and isinstance(outputs, Tensor):
                _require_gradient(outputs, weights)
        return outputs

    def activation_bytes(self, x: Tensor) -> int:
        """Return the bytes that one member saves for backward on inputs (n, …), in float32.

        Its parameters do not count, and storage shared by several tensors counts once.
        """
        saved: dict[int, int] = {}

        def record(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        module = self._template.float().cpu().train()
        own = {t.untyped_storage().data_ptr() for t in module.state_dict().values()}
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        with (
            torch.random.fork_rng(devices=[]),
            torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor),
        ):
            logits = module(x.float().cpu())  # alive while storages are counted
        module.load_state_dict(before)
        del logits
        return sum(size for pointer, size in saved.items() if pointer not in own)

    def _looped(self, state: State, x: Tensor) -> Tensor:
        if self.channels_last:
            x = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
        members = range(next(iter(state.values())).shape[1])
        return torch.stack(
            [
                torch.stack(
                    [
                        self._member({name: t[lane, j] for name, t in state.items()}, x[lane])
                        for j in members
                    ]
                )
                for lane in range(x.shape[0])
            ]
        )

    def _mapped(self, state: State, x: Tensor) -> Tensor:
        members = vmap(self._member, in_dims=(0, None), randomness="different")
        return vmap(members, in_dims=(0, 0), randomness="different")(dict(state), x)

    def _member(self, state: dict[str, Tensor], x: Tensor) -> Tensor:
        logits: Tensor = functional_call(self._template, state, (x,))
        return logits


def _require_gradient(outputs: Tensor, weights: Iterable[Tensor]) -> None:
    gradients: Iterable[Tensor | None] = ()
    if outputs.requires_grad:
        gradients = torch.autograd.grad(outputs.sum(), list(weights), allow_unused=True)
    if all(gradient is None for gradient in gradients):
        raise RuntimeError("its output does not depend on any parameter that is trained")


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
