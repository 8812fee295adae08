"""The architecture "branches": the branches of one torch.nn.Module, created by the user."""

from collections.abc import Callable
from typing import Any

from jtdiag.recipe.members import Architecture, Members


def build(
    members: Members,
    input_shape: tuple[int, ...],
    outputs: int,
    factory: Callable[[], Any] | None,
) -> Any:
    """Return the network that the factory creates, which is tested once first."""
    from jtdiag.engine.architectures.branch_stack import BranchStack
    from jtdiag.engine.architectures.factory import load_factory, try_out, with_sizes

    create = with_sizes(factory or load_factory(members.factory), input_shape)
    try_out(create, members)
    return BranchStack(create, draws=True)


# The factory is optional because it can be given to `train` instead.
ARCHITECTURE = Architecture(
    name="branches",
    build=build,
    optional=("factory",),
    branched=True,
    try_channels_last=False,
)
