"""User-defined members: the function that creates a torch.nn.Module, and its address."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from jtdiag import loading
from jtdiag.engine.architectures.module_stack import Factory
from jtdiag.engine.torchvision_import import fixed
from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Members

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


def try_out(factory: Factory, members: Members, input_shape: tuple[int, ...], outputs: int) -> None:
    """Create one member, or one network of branches, and run it on two examples of zeros.

    Raises:
        RecipeError: if it is not a module, or its outputs are not logits (B, K), or (B, M, K) for
            branches.
    """
    field = f"members.factory is {members.factory!r}"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        member: object = factory()
        if not isinstance(member, nn.Module):
            raise RecipeError(
                f"{field}; it returned a {type(member).__name__}, but must return a "
                "torch.nn.Module."
            )
        try:
            logits = member.eval()(torch.zeros(2, *input_shape))
        except Exception as error:  # user code may raise anything
            message = " ".join(str(error).split()) or type(error).__name__
            raise RecipeError(
                f"{field}; its module fails on 2 examples {input_shape}: {message}"
            ) from error
    expected = (2, members.count, outputs) if members.branched else (2, outputs)
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != expected:
        raise RecipeError(
            f"{field}; its module maps 2 examples {input_shape} to {shape}, "
            f"but must map them to logits {expected}."
        )
