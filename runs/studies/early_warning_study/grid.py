"""Which ensembles the study trains: the grid of the early rules, and equal budgets by depth."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from zlib import crc32

from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train

EPOCHS = 15
"""Beyond the last epoch at which the rules are asked, 10."""
EARLY = tuple(range(1, 11))
MOVED = (1, 2, 3, 5, 10)
"""Epochs after which displacement is measured: it needs checkpoints."""
LAMBDAS = (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)
RATES = (0.01, 0.03)
"""Learning rates of one member; the recipe multiplies them by the number of members, at every λ
alike. At 0.1 nothing learnt, with a momentum of 0.9."""

Shape = tuple[int, int]
"""Hidden layers, units of each."""

_SMALL: tuple[Shape, ...] = (
    *((d, w) for d in (1, 2, 3) for w in (8, 32, 128)),
    *((4, w) for w in (16, 32, 64)),
)
_DIGITS: dict[int, tuple[Shape, ...]] = {
    4: _SMALL,
    16: _SMALL,
    64: ((1, 8), (1, 32), (2, 16), (3, 8), (4, 16)),
}
_FASHION: dict[int, tuple[Shape, ...]] = {
    4: tuple((d, w) for d in (1, 2, 3, 4) for w in (16, 64)),
    16: tuple((d, w) for d in (1, 2, 3, 4) for w in (8, 32)),
}
_BUDGETS = {"digits": (3_000, 24_000), "fashion": (25_000,)}
"""Parameters of a member, for the question of depth."""
_SIDES = {"digits": 64, "fashion": 784}
CLASSES = 10


@dataclass(frozen=True)
class Ensemble:
    """One run of the study: one architecture on one data set, at several λs."""

    purpose: str
    """"rules", or "depth": never both, so that no lane answers two questions."""
    data: str
    depth: int
    """Hidden layers."""
    width: int
    members: int
    rate: float
    lambdas: tuple[float, ...] = LAMBDAS
    trials: int = 1
    epochs: int = EPOCHS
    budget: int = 0
    """Parameters that a member should have; 0 where the width was given."""

    @property
    def name(self) -> str:
        """A name for its files."""
        shape = f"{self.depth}x{self.width}-{self.members}"
        return f"{self.purpose}-{self.data}-{shape}-{self.rate:g}" + f"-{self.budget}" * (
            self.budget > 0
        )

    def recipe(self, data: str) -> Recipe:
        """Return what to train, on a named data set or an .npz file."""
        asks_rules = self.purpose == "rules"
        return Recipe(
            name=self.name,
            seed=crc32(self.name.encode()),
            data=Data(name=data),
            members=Members(arch="mlp", count=self.members, hidden=(self.width,) * self.depth),
            lam=self.lambdas,
            trials=self.trials,
            train=Train(
                epochs=self.epochs,
                batch={"digits": 16, "fashion": 25}[self.data],
                lr=(self.rate,),
                lr_scale="members",
            ),
            keep=Keep(
                outputs="none" if asks_rules else ("last",),
                checkpoints=(0, *MOVED) if asks_rules else "none",
            ),
            engine=Engine(device="cpu", threads=1, lanes=1, execution="stacked"),
        )


def everything() -> Iterator[Ensemble]:
    """Return all ensembles, the fastest to train first."""
    yield from _rules("digits", _DIGITS)
    yield from depths("digits", trials=5, epochs=20, lambdas=(0.0, 0.9, 1.0))
    yield from _rules("fashion", _FASHION)
    yield from depths("fashion", trials=3, epochs=EPOCHS, lambdas=(0.0, 1.0))


def quick() -> Iterator[Ensemble]:
    """Return three small ones for a test of the pipeline in seconds."""
    for width in (4, 16):
        yield Ensemble("rules", "digits", 1, width, 4, RATES[0], (0.0, 1.0), 1, 11)
    yield Ensemble("depth", "digits", 2, 8, 4, RATES[0], (0.0, 1.0), 2, 2, 650)


def _rules(data: str, shapes: dict[int, tuple[Shape, ...]]) -> Iterator[Ensemble]:
    for members, member_shapes in shapes.items():
        for depth, width in member_shapes:
            for rate in RATES:
                yield Ensemble("rules", data, depth, width, members, rate)


def depths(data: str, trials: int, epochs: int, lambdas: tuple[float, ...]) -> Iterator[Ensemble]:
    """Return members of 1 to 4 hidden layers with (nearly) equal numbers of parameters."""
    for budget in _BUDGETS[data]:
        for depth in (1, 2, 3, 4):
            width = width_for(budget, depth, _SIDES[data], CLASSES)
            yield Ensemble("depth", data, depth, width, 8, 0.02, lambdas, trials, epochs, budget)


def parameters(depth: int, width: int, inputs: int, outputs: int) -> int:
    """Return the weights and biases of one member."""
    sizes = [inputs, *(width,) * depth, outputs]
    return sum((a + 1) * b for a, b in pairwise(sizes))


def width_for(budget: int, depth: int, inputs: int, outputs: int) -> int:
    """Return the width whose parameters come nearest to a budget.

    They are (depth − 1) w² + (inputs + depth + outputs) w + outputs.
    """
    a, b, c = depth - 1, inputs + depth + outputs, outputs - budget
    exact = -c / b if a == 0 else (-b + sqrt(b * b - 4 * a * c)) / (2 * a)
    near = (max(1, int(exact)), int(exact) + 1)
    return min(near, key=lambda w: abs(parameters(depth, w, inputs, outputs) - budget))
