"""Anybody's module as a member: the function that makes one, by its address."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from jtdiag.errors import RecipeError


def load_factory(
    address: str, input_shape: tuple[int, ...], outputs: int
) -> Callable[[], nn.Module]:
    """Return the function at ``package.module:function`` or ``path/file.py:function``.

    It is called without arguments and returns one member, a torch.nn.Module that maps inputs
    (B, …) to logits (B, K); that it does is tried once, on two examples of zeros.

    Raises:
        RecipeError: if there is no such function, or what it makes does not fit.
    """
    where, colon, name = address.rpartition(":")
    if not colon:
        raise RecipeError(
            f"members.factory is {address!r}; it must be package.module:function or "
            "path/file.py:function."
        )
    factory = getattr(_module(where, address), name, None)
    if not callable(factory):
        raise RecipeError(f"members.factory is {address!r}; {where} has no function '{name}'.")
    _try_out(factory, address, input_shape, outputs)
    return factory


def _module(where: str, address: str) -> ModuleType:
    if not where.endswith(".py"):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            raise RecipeError(
                f"members.factory is {address!r}; there is no module '{error.name}' to import."
            ) from error
    spec = importlib.util.spec_from_file_location(Path(where).stem, where)
    if spec is None or spec.loader is None or not Path(where).is_file():
        raise RecipeError(f"members.factory is {address!r}; there is no file {where}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _try_out(
    factory: Callable[[], Any], address: str, input_shape: tuple[int, ...], outputs: int
) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        member = factory()
        if not isinstance(member, nn.Module):
            raise RecipeError(
                f"members.factory is {address!r}; it returned a {type(member).__name__}, and must "
                "return a torch.nn.Module."
            )
        try:
            found = member.eval()(torch.zeros(2, *input_shape))
        except Exception as error:  # the module is anybody's, and so is what it raises
            said = " ".join(str(error).split()) or type(error).__name__
            raise RecipeError(
                f"members.factory is {address!r}; its module fails on 2 examples {input_shape}: "
                f"{said}"
            ) from error
    if not isinstance(found, torch.Tensor) or found.shape != (2, outputs):
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise RecipeError(
            f"members.factory is {address!r}; its module maps 2 examples {input_shape} to {shape}, "
            f"and must map them to logits (2, {outputs})."
        )
