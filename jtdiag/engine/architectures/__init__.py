"""Architectures of members: one record per file, without torch, and the stacks that they build.

`contract` defines what the engine needs of a stack, and `module_stack` implements it for any
torch.nn.Module. A record is registered under the entry-point group ``jtdiag.architectures``.
"""

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
) -> "ModuleStack":
    """Return the stack of members that [members] of a recipe describes.

    Args:
        members: Number and architecture of the members.
        input_shape: Shape of one example.
        outputs: Number of outputs of one member, K.
        factory: Creates what members.factory would; by default that address is loaded.

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
    stack = architecture.build(members, input_shape, outputs, factory)
    if not isinstance(stack, ModuleStack):
        raise RecipeError(
            f"members.arch is '{members.arch}', whose build returned a {type(stack).__name__}; it "
            "must return a jtdiag.engine.architectures.module_stack.ModuleStack."
        )
    return stack
