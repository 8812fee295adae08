"""Architectures of members: one record per file, without torch, and the stacks that they build.

`contract` defines what the engine needs of a stack, and `module_stack` implements it for any
torch.nn.Module. A record is registered under the entry-point group ``jtdiag.architectures``.
"""

import math
from typing import TYPE_CHECKING

from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Members

if TYPE_CHECKING:
    from jtdiag.engine.architectures.module_stack import Factory, ModuleStack

__all__ = ["build"]


def build(
    members: Members,
    input_shape: tuple[int, ...],
    outputs: int,
    factory: "Factory | None" = None,
    *,
    held: int | None = None,
) -> "ModuleStack":
    """Return the stack of members that [members] of a recipe describes.

    Args:
        members: Number and architecture of the members.
        input_shape: Shape of one example.
        outputs: Number of outputs of one member, K.
        factory: Creates what members.factory would; by default that address is loaded.
        held: Number of members that this machine must hold; by default all.

    Raises:
        RecipeError: if the architecture does not accept such inputs.
    """
    from jtdiag.engine.architectures.module_stack import ModuleStack

    architecture = members.architecture
    if architecture.images_only and len(input_shape) != 3:
        raise RecipeError(
            f"members.arch is '{members.arch}', which takes images, but an example of this dataset "
            f"has shape {input_shape}; use arch = 'mlp', or images (C, H, W)."
        )
    if "factory" not in architecture.fields:
        _require_memory(members, input_shape, outputs, members.copies if held is None else held)
    stack = architecture.build(members, input_shape, outputs, factory)
    if not isinstance(stack, ModuleStack):
        raise RecipeError(
            f"members.arch is '{members.arch}', whose build returned a {type(stack).__name__}; it "
            "must return a jtdiag.engine.architectures.module_stack.ModuleStack."
        )
    return stack


COPIES = 4
"""Weights, their start, gradients and the state of an optimizer, at least."""


def _require_memory(
    members: Members, input_shape: tuple[int, ...], outputs: int, held: int
) -> None:
    """Check that the members fit in memory, on the meta device, which allocates nothing.

    Raises:
        RecipeError: if they do not.
    """
    import torch

    from jtdiag.engine import memory
    from jtdiag.engine.architectures.module_stack import ModuleStack
    from jtdiag.store import layout

    try:
        with torch.device("meta"):
            stack = members.architecture.build(members, input_shape, outputs, None)
    except RecipeError:
        raise
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return  # an architecture of another package may not support the meta device
    if not isinstance(stack, ModuleStack):  # refused by the caller
        return
    sizes = [math.prod(p.shape) for p in stack.parameters.values()]
    needed, free = COPIES * 4 * held * sum(sizes), memory.available()
    if needed > free:
        raise RecipeError(
            f"members.count is {members.count}, with {sum(sizes):,} parameters each; training "
            f"takes {layout.readable(needed)} of memory or more, of which {layout.readable(free)} "
            "are free. Use fewer or smaller members."
        )
