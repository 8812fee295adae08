"""The architecture "chain": members that are products of scalar weights, for theory."""

from collections.abc import Callable
from typing import Any

import attrs

from jtdiag.errors import RecipeError
from jtdiag.recipe import checks
from jtdiag.recipe.checks import LARGEST_FACTOR, checked
from jtdiag.recipe.members import Architecture, Members


def _strength(field: str, value: object) -> float:
    return checks.positive(f"members.options.{field}", value, LARGEST_FACTOR)


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class ChainOptions:
    """[members.options] of chains."""

    strength: float = attrs.field(default=0.01, metadata=checked(_strength))
    """Product of a member's weights at the start; each weight is its d-th root."""


def build(
    members: Members, input_shape: tuple[int, ...], outputs: int, _: Callable[[], Any] | None
) -> Any:
    """Return the stacked members.

    Raises:
        RecipeError: if the data have more than one input or one output.
    """
    from jtdiag.engine.architectures.chain_stack import Chain

    if input_shape != (1,) or outputs != 1:
        raise RecipeError(
            f"members.arch is 'chain', which has one input and one output, but an example of this "
            f"dataset has shape {input_shape} and the members have {outputs} outputs; use inputs "
            "(N, 1) and targets (N, 1) with family = 'gaussian', or another arch."
        )
    return Chain(members.count, members.depth, members.architecture_options.strength)


ARCHITECTURE = Architecture(
    name="chain",
    build=build,
    required=("depth",),
    options=ChainOptions,
    auto_executions=("stacked",),
    try_channels_last=False,
    first_layer=r"layer1\.weight",
)
