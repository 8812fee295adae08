"""User-defined members: the function that creates a torch.nn.Module, and its address."""

import importlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy

from jtdiag import loading, names
from jtdiag.engine import wording
from jtdiag.engine.architectures.module_stack import Factory, is_dense, tensors_of
from jtdiag.engine.torchvision_import import fixed
from jtdiag.errors import RecipeError
from jtdiag.printable import reason
from jtdiag.recipe.members import Members

COORDINATES = (names.LAM, names.TRIAL, names.EPOCH, names.MEMBER)
"""Names of arrays that lie beside the parameters in a store."""
NO_ADDRESS = "python:"
"""Prefix of the name of a function that was passed to `train` and cannot be imported."""


def load_factory(address: str) -> Factory:
    """Return the function at ``package.module:function`` or ``path/file.py:function``.

    Raises:
        RecipeError: if there is no such function, or importing it fails.
    """
    if address.startswith(NO_ADDRESS) or not address:
        raise RecipeError(
            f"members.factory is {address!r}, which is not an address; pass the function as "
            "factory=…, or set package.module:function or path/file.py:function."
        )
    try:
        return loading.load("members.factory", address, "function", RecipeError)
    except (RecipeError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RecipeError) else error
        if not isinstance(cause, RuntimeError) or not fixed(cause):
            raise
    return loading.load("members.factory", address, "function", RecipeError)


def address_of(factory: Callable[..., Any]) -> str:
    """Return the address from which a function can be imported, or else its name.

    A function of the running script has no address: importing the script would run it again.
    """
    name = getattr(factory, "__qualname__", type(factory).__name__)
    module = getattr(factory, "__module__", "")
    try:
        importable = module != "__main__" and getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError):
        importable = False
    return f"{module}:{name}" if importable is factory else f"{NO_ADDRESS}{name}"


def with_sizes(factory: Factory, input_shape: tuple[int, ...]) -> Factory:
    """Return a factory whose lazy layers have found their sizes, on examples of zeros."""

    def create() -> nn.Module:
        member = factory()
        if _lazy(member):
            with torch.no_grad():
                member.eval()(torch.zeros(2, *input_shape))
            member.train()
        return member

    return create


def _lazy(member: object) -> bool:
    if not isinstance(member, nn.Module):
        return False
    tensors = itertools.chain(member.parameters(), member.buffers())
    return any(is_lazy(tensor) for tensor in tensors)


def try_out(factory: Factory, members: Members) -> None:
    """Create one member, or one network of branches.

    Raises:
        RecipeError: if it is not a module with real parameters of which some are trained, or is in
            a form of which members cannot be made.
    """
    with torch.random.fork_rng(devices=[]):
        _created(factory, members)


def _created(factory: Factory, members: Members) -> nn.Module:
    field = f"members.factory is {members.factory!r}"
    try:
        member: object = factory()
    except Exception as error:  # user code may raise anything
        raise RecipeError(f"{field}; the function fails: {reason(error, 200)}") from error
    if not isinstance(member, nn.Module):
        raise RecipeError(
            f"{field}; it returned a {type(member).__name__}, but must return a torch.nn.Module."
        )
    problem = _unsuitable(member) or _unsuitable_tensor(member)
    if problem:
        raise RecipeError(f"{field}; {problem}")
    return member


def _unsuitable(member: nn.Module) -> str:
    """Return why members cannot be made of a module; "" if they can."""
    if isinstance(member, torch.jit.ScriptModule):
        return wording.wrapped("ScriptModule", "the module before torch.jit")
    if isinstance(member, nn.DataParallel | DistributedDataParallel):
        return wording.wrapped(type(member).__name__, "its .module")
    if not any(parameter.requires_grad for parameter in member.parameters()):
        return (
            "no parameter of its module is trained; set requires_grad = True on the parameters to "
            "be trained."
        )
    return ""


def _unsuitable_tensor(member: nn.Module) -> str:
    """Return which tensor of a module cannot be trained or stored; "" for none."""
    for name, parameter in member.named_parameters():
        if parameter.is_meta or parameter.is_complex():
            kind = "no values (device meta)" if parameter.is_meta else "complex numbers"
            return f"parameter '{name}' has {kind}; parameters must be real numbers."
    for name in tensors_of(member):
        if "/" in name or not name.isprintable() or name in COORDINATES:
            return wording.unusable_name(name, COORDINATES)
    return ""


def require_stored(
    members: Members,
    shapes: Mapping[str, tuple[int, ...]],
    stored: Mapping[str, tuple[int, ...]],
) -> None:
    """Check that the tensors of the members are those that were stored.

    Args:
        members: [members] of the recipe.
        shapes: Shapes (M, …) of all parameters and buffers by name.
        stored: The same, of what was stored.

    Raises:
        RecipeError: if a tensor is missing, new, or of another shape.
    """
    for name in (*shapes, *stored):
        if shapes.get(name) != stored.get(name):
            complaint = wording.changed_since(name, shapes.get(name), stored.get(name))
            raise RecipeError(f"members.factory is {members.factory!r}; {complaint}")


def failure(
    members: Members, mode: str, batch: int, input_shape: tuple[int, ...], error: Exception
) -> RecipeError:
    """Return the error for a member that fails on a batch."""
    given = "members.norm is 'batch'; a member"
    if members.factory:
        given = f"members.factory is {members.factory!r}; its module"
    return RecipeError(
        f"{given} fails {mode} on {examples(batch)} {input_shape}: {reason(error, 200)}"
    )


def check_logits(
    logits: object,
    members: Members,
    mode: str,
    batch: int,
    input_shape: tuple[int, ...],
    outputs: int,
) -> None:
    """Check that a module has returned logits (B, K), or (B, M, K) for branches.

    Raises:
        RecipeError: if it has returned anything else.
    """
    expected = (batch, members.count, outputs) if members.branched else (batch, outputs)
    if isinstance(logits, torch.Tensor):
        actual, remedy = str(tuple(logits.shape)), ""
        if tuple(logits.shape) == expected and is_dense(logits):
            return
        if tuple(logits.shape) == expected:
            dtype, layout = (str(a).removeprefix("torch.") for a in (logits.dtype, logits.layout))
            problem = wording.not_numbers(dtype, layout)
            raise RecipeError(f"members.factory is {members.factory!r}; {problem}.")
    else:
        actual = f"a {type(logits).__name__}"
        remedy = "; return the logits alone from forward"
    raise RecipeError(
        f"members.factory is {members.factory!r}; its module maps {examples(batch)} {input_shape} "
        f"{mode} to {actual}, but must map them to logits {expected}{remedy}."
    )


def examples(count: int) -> str:
    """Return a number of examples, such as "1 example"."""
    return "1 example" if count == 1 else f"{count} examples"
