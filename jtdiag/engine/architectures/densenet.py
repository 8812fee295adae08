"""The architecture "densenet": DenseNet-BC with three dense blocks, as in Webb et al. 2020."""

from collections.abc import Callable
from typing import Any

from jtdiag.recipe.learning_rates import PaperRates
from jtdiag.recipe.members import Architecture, Members
from jtdiag.recipe.sizing import UNSCALED_RATES, DataShape, Sizing

DEPTH = 64
"""Depth of the members that `jtdiag budget` designs; it varies their growth rate."""


def build(
    members: Members, input_shape: tuple[int, ...], outputs: int, _: Callable[[], Any] | None
) -> Any:
    """Return the stacked members."""
    from jtdiag.engine.architectures.densenet_stack import DenseNetStack

    return DenseNetStack(
        members.count, input_shape[0], members.depth, members.growth, members.reduction, outputs
    )


def parameters(growth: int, data: DataShape) -> int:
    """Return the number of parameters of a member of depth 64, whose transitions keep one half."""
    width = 2 * growth
    total = 9 * data.input_shape[0] * width
    for block in range(3):
        for _ in range((DEPTH - 4) // 6):
            bottleneck = 4 * growth
            total += 2 * width + width * bottleneck + 2 * bottleneck + 9 * bottleneck * growth
            width += growth
        if block < 2:
            total += 2 * width + width * (width // 2)
            width //= 2
    return total + 2 * width + data.classes * (width + 1)


ARCHITECTURE = Architecture(
    name="densenet",
    build=build,
    required=("depth", "growth"),
    optional=("reduction",),
    images_only=True,
    try_bfloat16=True,
    first_layer=r".*first\.weight",
    sizing=Sizing(
        parameters=parameters,
        fields=lambda width: {"depth": DEPTH, "growth": width},
        size="growth rate {}",
        smallest_image=4,
        lam=(0, 0.5, 0.9, 1),
        trials=3,
        train={
            "epochs": 300,
            "batch": 64,
            "lr": 0.1,
            "weight_decay": 1e-4,
            "milestones": [150, 225],
        },
        tune=UNSCALED_RATES,
    ),
    paper_rates=PaperRates(single=0.1, times_members=False),
)
