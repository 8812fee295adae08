"""The architecture "mlp": multilayer perceptrons, as in Webb et al. 2020."""

import math
from collections.abc import Callable
from typing import Any

from jtdiag.recipe.learning_rates import PaperRates
from jtdiag.recipe.members import Architecture, Members
from jtdiag.recipe.sizing import SCALED_RATES, DataShape, Sizing


def build(
    members: Members, input_shape: tuple[int, ...], outputs: int, _: Callable[[], Any] | None
) -> Any:
    """Return the stacked members."""
    from jtdiag.engine.architectures.mlp_stack import MLP

    return MLP(
        members.count,
        input_shape,
        members.hidden,
        outputs,
        norm=members.norm == "batch",
        activation=members.activation,
    )


def parameters(width: int, data: DataShape) -> int:
    """Return the number of parameters of a member with one hidden layer."""
    return width * (math.prod(data.input_shape) + 1) + data.classes * (width + 1)


ARCHITECTURE = Architecture(
    name="mlp",
    build=build,
    optional=("hidden", "norm", "activation"),
    auto_executions=("stacked",),  # measured: two to ten times faster than the others
    try_channels_last=False,
    first_layer=r"layer1\.weight",
    sizing=Sizing(
        parameters=parameters,
        fields=lambda width: {"hidden": [width]},
        size="{} hidden units",
        lam=(0, 0.5, 0.8, 0.9, 0.95, 0.99, 1),
        trials=5,
        train={"epochs": 200, "batch": 100, "lr": 0.02, "lr_scale": "members"},
        tune=SCALED_RATES.format("0.3", "0.99 and 1"),
    ),
    paper_rates=PaperRates(single=0.02, up_to=0.95, near_one=0.006, since=0.99),
)
