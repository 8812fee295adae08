"""The architecture "resnext": the branches of the last block of one ResNeXt as members."""

from collections.abc import Callable
from typing import Any

from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Architecture, Members


def build(
    members: Members, input_shape: tuple[int, ...], outputs: int, _: Callable[[], Any] | None
) -> Any:
    """Return the network with its branches."""
    from jtdiag.engine.architectures.resnext_stack import resnext

    return resnext(members.count, members.blocks, members.width, input_shape, outputs)


def check(members: Members) -> None:
    """Reject another number of stages than four."""
    if len(members.blocks) != 4:
        raise RecipeError(
            f"members.blocks has {len(members.blocks)} values; a resnext has four stages, "
            "for example blocks = [2, 2, 2, 2]."
        )


ARCHITECTURE = Architecture(
    name="resnext",
    build=build,
    required=("blocks", "width"),
    check=check,
    branched=True,
    images_only=True,
    try_bfloat16=True,
    try_channels_last=False,
)
