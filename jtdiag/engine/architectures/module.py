"""The architecture "module": any torch.nn.Module, created by a function of the user."""

from collections.abc import Callable
from typing import Any

from jtdiag.recipe.members import Architecture, Members


def build(
    members: Members,
    input_shape: tuple[int, ...],
    outputs: int,
    factory: Callable[[], Any] | None,
) -> Any:
    """Return the members that the factory creates, which is tested once first."""
    import torch

    from jtdiag.engine.architectures.factory import load_factory, try_out, with_sizes
    from jtdiag.engine.architectures.module_stack import ModuleStack

    create = with_sizes(factory or load_factory(members.factory), input_shape)
    try_out(create, members)
    stack = ModuleStack(members.count, create, draws=True)
    stack.try_parts(torch.rand(2, *input_shape, generator=torch.Generator().manual_seed(0)))
    return stack


# The factory is optional because it can be given to `train` instead.
ARCHITECTURE = Architecture(name="module", build=build, optional=("factory",))
