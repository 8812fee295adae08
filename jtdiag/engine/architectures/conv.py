"""The architecture "conv": convolutional networks of 3x3 layers, as in Webb et al. 2020."""

import itertools
import math
from collections.abc import Callable
from typing import Any

from jtdiag.errors import RecipeError
from jtdiag.recipe.learning_rates import PaperRates
from jtdiag.recipe.members import Architecture, Members
from jtdiag.recipe.sizing import SCALED_RATES, DataShape, Sizing

KERNEL = 3


def build(
    members: Members, input_shape: tuple[int, ...], outputs: int, _: Callable[[], Any] | None
) -> Any:
    """Return the stacked members.

    Raises:
        RecipeError: if the images are too small for the layers.
    """
    from jtdiag.engine.architectures.conv_stack import ConvStack

    if min(size_after(side, members.strides) for side in input_shape[1:]) < 1:
        raise RecipeError(
            f"members.filters has {len(members.filters)} layers with strides {members.strides}, "
            f"which reduce images of {input_shape[1]}x{input_shape[2]} to nothing; use fewer "
            "layers."
        )
    return ConvStack(
        members.count,
        input_shape[0],
        members.filters,
        members.strides,
        outputs,
        norm=members.norm == "batch",
    )


def size_after(size: int, strides: tuple[int, ...]) -> int:
    """Return the side of the feature maps after all layers; 0 or less if nothing is left."""
    for stride in strides:
        size = math.floor((size - KERNEL) / stride) + 1
    return size


def check(members: Members) -> None:
    """Reject lists of filters and strides of different lengths."""
    if len(members.filters) != len(members.strides):
        raise RecipeError(
            f"members.filters has {len(members.filters)} values and members.strides "
            f"{len(members.strides)}; give one stride per layer."
        )


def filters(width: int) -> list[int]:
    """Return the filters of the five layers of the paper's network, scaled to a width."""
    return [width, 2 * width, 2 * width, 4 * width, 4 * width]


def parameters(width: int, data: DataShape) -> int:
    """Return the number of parameters of a member with the paper's five layers."""
    channels = [data.input_shape[0], *filters(width)]
    layers = sum(
        KERNEL**2 * before * after + after for before, after in itertools.pairwise(channels)
    )
    return layers + data.classes * (channels[-1] + 1)


ARCHITECTURE = Architecture(
    name="conv",
    build=build,
    required=("filters", "strides"),
    optional=("norm",),
    check=check,
    images_only=True,
    try_bfloat16=True,
    first_layer=r"(.*\.)?conv1\.weight",
    sizing=Sizing(
        parameters=parameters,
        fields=lambda width: {"filters": filters(width), "strides": [1, 2, 1, 2, 1]},
        size="{} filters in the first layer",
        smallest_image=21,
        lam=(0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 1),
        trials=5,
        train={"epochs": 400, "batch": 100, "lr": 0.006, "lr_scale": "members"},
        tune=SCALED_RATES.format("a third", "1"),
    ),
    paper_rates=PaperRates(single=0.006, up_to=0.99, near_one=0.002, since=1.0),
)
