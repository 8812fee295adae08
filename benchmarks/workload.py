"""What all benchmarks train: the recipes of the paper's figures, on data of Fashion-MNIST's shapes.

By default the data are seeded noise with random labels, which cost a step as much as real ones;
a folder with Fashion-MNIST gives the real ones.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from jtdiag.engine import architectures, datasets
from jtdiag.engine.datasets import splits
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.recipe import presets
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes

SHAPE = (1, 28, 28)
CLASSES = 10
BATCH = 100


@dataclass(frozen=True)
class Config:
    """M members of H hidden units, written MxH."""

    members: int
    hidden: int

    @classmethod
    def parse(cls, text: str) -> "Config":
        """Read a configuration such as 256x4."""
        count, _, hidden = text.partition("x")
        return cls(int(count), int(hidden))

    def __str__(self) -> str:
        return f"{self.members}x{self.hidden}H"

    @property
    def lr(self) -> float:
        """The authors' learning rate for λ up to 0.95."""
        return 0.02 * self.members


def recipe(config: Config, lam: tuple[float, ...], *overrides: str) -> Recipe:
    """Return the paper's recipe for a configuration, for some λ and one trial."""
    return presets.find(
        "fashion-256x4",
        (
            f"members.count={config.members}",
            f"members.hidden=[{config.hidden}]",
            f"lam={list(lam)}",
            f"train.lr={config.lr}",
            f"train.batch={BATCH}",
            "trials=1",
            *overrides,
        ),
    )


def arrays(root: Path | None, train: int, test: int) -> datasets.Arrays:
    """Return the first examples of Fashion-MNIST in a folder, or noise of the same shapes."""
    if root is None:
        return noise(train, test, SHAPE)
    found = datasets.load("fashion-mnist", root)
    return datasets.Arrays(
        x_train=found.x_train[:train],
        y_train=found.y_train[:train],
        x_test=found.x_test[:test],
        y_test=found.y_test[:test],
        classes=found.classes,
        mean=found.mean,
        sd=found.sd,
    )


def noise(train: int, test: int, shape: tuple[int, ...], classes: int = CLASSES) -> datasets.Arrays:
    """Return seeded normal inputs with random labels."""
    random = np.random.default_rng(0)
    return datasets.Arrays(
        x_train=random.standard_normal((train, *shape), dtype=np.float32),
        y_train=random.integers(0, classes, train),
        x_test=random.standard_normal((test, *shape), dtype=np.float32),
        y_test=random.integers(0, classes, test),
        classes=tuple(str(label) for label in range(classes)),
        mean=None,
        sd=None,
    )


def lane_group(
    made_from: Recipe, examples: datasets.Arrays, device: torch.device, count: int = 1
) -> LaneGroup:
    """Return the engine's first lanes of a recipe, `count` of them stacked, ready to train."""
    dataset = splits.DataSet(examples, made_from, device)
    stack = architectures.build(made_from.members, dataset.input_shape, len(dataset.classes))
    first = lanes.lanes_of(made_from)[:count]
    return LaneGroup(made_from, first, dataset, stack, device)
