"""Members from any torch.nn.Module: one after another, by torch.func.vmap, or stacked by hand."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from jtdiag.engine.architectures.contract import State
from jtdiag.store.layout import Parameter

Factory = Callable[[], nn.Module]
"""Makes one member with initial weights of its own, by torch's global generator."""
Execution = Literal["loop", "vmap", "stacked"]


class ModuleStack:
    """M copies of a module, each with its own parameters and buffers.

    The loop works for every module and is what the other executions are tested against. vmap
    needs a module without data-dependent control flow and without in-place changes of anything
    but its buffers. An architecture of ours adds `stacked`, one batched operation per layer.
    """

    def __init__(self, count: int, factory: Factory, *, draws: bool = False) -> None:
        self.count = count
        self.draws = draws
        """Whether members may draw random numbers while they train, as dropout does."""
        self.execution: Execution = self.executions[0]
        self.channels_last = False
        """Order of images in memory in the loop over members."""
        self._factory = factory
        with torch.random.fork_rng(devices=[]):
            self._template = factory()

    stacked: Callable[..., Tensor] | None = None
    """An architecture's own execution: (state, x, training=…) to logits (L, M, K, B)."""

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Executions that this stack knows, the likeliest fastest first."""
        return ("loop", "vmap") if self.stacked is None else ("stacked", "loop", "vmap")

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The module's own parameters, under its own names."""
        return {name: _parameter(name, p) for name, p in self._template.named_parameters()}

    @property
    def buffers(self) -> dict[str, Parameter]:
        """The module's own buffers, under its own names."""
        return {name: _parameter(name, b) for name, b in self._template.named_buffers()}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the state of M freshly made modules; torch's global generator is put back."""
        seed = int(torch.randint(2**62, (), generator=generator))
        made = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(self.count):
                module = self._factory()
                made.append({**dict(module.named_parameters()), **dict(module.named_buffers())})
        return {
            name: torch.stack([one[name].detach().double() for one in made]) for name in made[0]
        }

    def __call__(self, state: State, x: Tensor, *, training: bool = False) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …)."""
        if self.execution == "stacked" and self.stacked is not None:
            return self.stacked(state, x, training=training)
        self._template.train(training)
        run = self._mapped if self.execution == "vmap" else self._one_by_one
        return run(state, x).transpose(2, 3)

    def activation_bytes(self, x: Tensor) -> int:
        """Return the bytes that one member keeps for its backward pass on inputs (n, …), float32.

        Its own parameters do not count; what it shares with itself counts once.
        """
        kept: dict[int, int] = {}

        def see(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        module = self._template.float().cpu().train()
        own = {t.untyped_storage().data_ptr() for t in module.state_dict().values()}
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        with (
            torch.random.fork_rng(devices=[]),
            torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor),
        ):
            found = module(x.float().cpu())  # alive while storages are counted
        module.load_state_dict(before)
        del found
        return sum(size for at, size in kept.items() if at not in own)

    def _one_by_one(self, state: State, x: Tensor) -> Tensor:
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
        found: Tensor = functional_call(self._template, state, (x,))
        return found


def _parameter(name: str, tensor: Tensor) -> Parameter:
    shape = tuple(tensor.shape)
    return Parameter(shape=shape, dims=tuple(f"{name}.{i}" for i in range(len(shape))))
