"""Anybody's module as a member: the function that makes one, by its address."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from jtdiag import addresses
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
    factory = addresses.load("members.factory", address, "function")
    _try_out(factory, address, input_shape, outputs)
    return factory


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
