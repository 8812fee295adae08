"""Anybody's module as a member: the function that makes one, by its address."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from jtdiag import loading
from jtdiag.engine.architectures.module_stack import Factory
from jtdiag.engine.torchvision_import import fixed
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Members

NO_ADDRESS = "python:"
"""What stands before the name of a function that was given to `train` and cannot be imported."""


def load_factory(address: str) -> Factory:
    """Return the function at ``package.module:function`` or ``path/file.py:function``.

    Raises:
        RecipeError: if there is no such function.
    """
    if address.startswith(NO_ADDRESS) or not address:
        raise RecipeError(
            f"members.factory is {address!r}; it is no address: give the function itself as "
            "factory=…, or package.module:function or path/file.py:function."
        )
    try:
        return loading.load("members.factory", address, "function", RecipeError)
    except (RecipeError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RecipeError) else error
        if not isinstance(cause, RuntimeError) or not fixed(cause):
            raise
    return loading.load("members.factory", address, "function", RecipeError)


def address_of(factory: Callable[..., Any]) -> str:
    """Return the address from which a function can be imported, or its name if there is none.

    A function of the running script has none: importing the script would run it again.
    """
    name = getattr(factory, "__qualname__", type(factory).__name__)
    module = getattr(factory, "__module__", "")
    try:
        importable = module != "__main__" and getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError):
        importable = False
    return f"{module}:{name}" if importable is factory else f"{NO_ADDRESS}{name}"


def try_out(factory: Factory, members: Members, input_shape: tuple[int, ...], outputs: int) -> None:
    """Make one member, or one network of branches, and show it two examples of zeros.

    Raises:
        RecipeError: if it is no module, or its outputs are not logits (B, K); of branches
            (B, M, K).
    """
    what = f"members.factory is {members.factory!r}"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        member: object = factory()
        if not isinstance(member, nn.Module):
            raise RecipeError(
                f"{what}; it returned a {type(member).__name__}, and must return a torch.nn.Module."
            )
        try:
            found = member.eval()(torch.zeros(2, *input_shape))
        except Exception as error:  # the module is anybody's, and so is what it raises
            said = " ".join(str(error).split()) or type(error).__name__
            raise RecipeError(
                f"{what}; its module fails on 2 examples {input_shape}: {said}"
            ) from error
    wanted = (2, members.count, outputs) if members.branched else (2, outputs)
    shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != wanted:
        raise RecipeError(
            f"{what}; its module maps 2 examples {input_shape} to {shape}, "
            f"and must map them to logits {wanted}."
        )
