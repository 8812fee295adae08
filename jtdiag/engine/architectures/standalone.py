"""Check that a module depends on its parameters and buffers, and on nothing else.

One module computes all members: their parameters and buffers are put in its place. Whatever it
keeps elsewhere would be common to all members, would not be stored, and would be another one when
the run is evaluated again. So it is compared with a second module of the factory, which is called
as it is: with the same parameters and buffers, both must return the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jtdiag.engine import seeds, wording
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack, copied, tensors_of

TOLERANCE = 1e-3
"""Relative difference from which two results count as different."""
SEED = 0
"""Of the second module's weights, and of the random numbers that both draw, as in dropout."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a module has computed."""

    logits: Tensor
    gradients: Mapping[str, Tensor]
    """Of the trained parameters, in training mode."""
    tensors: Mapping[str, Tensor]
    """Parameters and buffers afterwards."""


def complaint(stack: ModuleStack, x: Tensor, *, training: bool) -> str:
    """Return what a module depends on besides its parameters and buffers; "" if on nothing.

    Args:
        stack: The members; their module has been called before.
        x: Examples (B, …) that the module accepts.
        training: Whether to compare in training mode, with gradients.

    Raises:
        Exception: whatever the module raises.
    """
    other = stack.another(SEED)
    state = copied(other, x)
    _convert(other, x)
    mode = "in training mode" if training else "in evaluation mode"
    with torch.set_grad_enabled(training):
        ours = _of_stack(stack, state, x.clone(), training=training)
        theirs = _of_module(other, stack, x.clone(), training=training)
    if not equal(ours.logits, theirs.logits):
        return wording.outside_state(mode, "their logits")
    for name, tensor in theirs.tensors.items():
        if not equal(ours.tensors[name], tensor):
            return wording.outside_state(mode, f"'{name}' after a forward pass")
    if any(not equal(ours.gradients[name], theirs.gradients[name]) for name in theirs.gradients):
        return wording.other_gradients()
    return ""


def _of_stack(stack: ModuleStack, state: State, x: Tensor, *, training: bool) -> Result:
    leaves = {name: state[name].requires_grad_(training) for name in stack.parameters}
    with seeds.global_generator(x.device, SEED):
        logits = stack.once({**state, **leaves}, x, training=training)
        return _result(logits, leaves, state)


def _of_module(module: nn.Module, stack: ModuleStack, x: Tensor, *, training: bool) -> Result:
    module.train(training)
    with seeds.global_generator(x.device, SEED):
        logits = module(x)
        tensors = tensors_of(module)
        return _result(logits, {name: tensors[name] for name in stack.parameters}, tensors)


def _result(logits: object, leaves: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Result:
    assert isinstance(logits, Tensor)  # has been tried
    gradients: dict[str, Tensor] = {}
    if logits.requires_grad:
        weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype, device=logits.device)
        total = (logits.flatten() * weights).sum()
        parts = torch.autograd.grad(
            total, list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        gradients = dict(zip(leaves, parts, strict=True))
    after = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    return Result(logits=logits.detach(), gradients=gradients, tensors=after)


def _convert(module: nn.Module, x: Tensor) -> None:
    """Give a module the precision and the device of inputs; complex numbers stay as they are."""
    if x.dtype == torch.float64:
        module.double()
    else:
        module.float()
    module.to(x.device)


def equal(ours: Tensor, theirs: Tensor) -> bool:
    """Return whether two results are equal up to rounding; NaN equals NaN."""
    ours, theirs = ours.as_subclass(Tensor), theirs.as_subclass(Tensor)
    if ours.shape != theirs.shape:
        return False
    if not ours.is_floating_point():
        return torch.equal(ours, theirs.to(ours.dtype))
    finite = theirs[theirs.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(
        ours, theirs.to(ours.dtype), rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True
    )
