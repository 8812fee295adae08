"""Where members are cut into modules, and which parameters and buffers each module uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.replay import Replay
from jtdiag.store.run import Run

SAMPLE = 8
"""Training examples with which it is tried which tensors a module uses."""


@dataclass(frozen=True)
class Module:
    """Consecutive layers of every member."""

    name: str
    start: int
    """Number of layers before it."""
    stop: int
    """Number of layers up to its last one."""


def modules_of(run: Run, replay: Replay) -> list[Module]:
    """Return the modules of the members in order, the last one with the head.

    Those of [modules] in the recipe; else one for each layer, or only one if members cannot be cut.
    """
    if run.modules:
        return [Module(name, start, stop) for name, (start, stop) in run.modules.items()]
    return [Module(name, i, i + 1) for i, name in enumerate(replay.layers)]


def tensors_by_module(
    replay: Replay, modules: Sequence[Module], x: Tensor
) -> dict[str, frozenset[str]]:
    """Return the names of what training changes in each module: parameters and buffers.

    A parameter belongs to every module whose outputs depend on it, and a buffer, with all buffers
    of the same torch module, to every module that changes it in training mode.

    Args:
        replay: The members.
        modules: All modules in order.
        x: Examples (n, …), two or more.
    """
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's global generator
        torch.manual_seed(0)
        return _tensors_by_module(replay, modules, x[:SAMPLE])


def _tensors_by_module(
    replay: Replay, modules: Sequence[Module], x: Tensor
) -> dict[str, frozenset[str]]:
    stack = replay.session.stack
    state = {name: weight.clone().unsqueeze(0) for name, weight in replay.weights.items()}
    parameters = {name: state[name].requires_grad_() for name in stack.parameters}
    by_module, h = {}, x.unsqueeze(0)
    for module in modules:
        before = {name: state[name].clone() for name in stack.buffers}
        outputs = stack.run(state, h.detach(), module.start, module.stop, training=True)
        moved = {name for name in before if not torch.equal(before[name], state[name])}
        by_module[module.name] = frozenset(
            _in_graph(outputs, parameters) | _with_siblings(moved, before)
        )
        h = outputs
    return by_module


def _in_graph(outputs: Tensor, parameters: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the parameters that outputs depend on."""
    if not outputs.requires_grad:
        return set()
    gradients: Sequence[Tensor | None] = torch.autograd.grad(
        outputs.sum(), list(parameters.values()), allow_unused=True
    )
    return {name for name, g in zip(parameters, gradients, strict=True) if g is not None}


def _with_siblings(moved: set[str], buffers: Mapping[str, Tensor]) -> set[str]:
    """Return all buffers of the torch modules of some of them.

    A statistic may keep its value by chance; the number of batches beside it does not.
    """
    owners = {name.rpartition(".")[0] for name in moved}
    return {name for name in buffers if name.rpartition(".")[0] in owners}
