"""Which ensembles the study trains: for early rules, for depth at equal budgets, and for SGD."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import sqrt
from typing import Any
from zlib import crc32

from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train

EPOCHS = 20
"""Twice the last epoch at which the rules are asked."""
EARLY = tuple(range(1, 11))
SHOWN = (1, 2, 3, 5, 10)
"""Early epochs in tables that do not show all of them."""
LENGTHS = (5, 10)
"""Epochs at which the outcome is also recorded: how it depends on the length of training."""
LAMBDAS = (0.0, 0.5, 0.9, 0.99, 1.0)
RATES = (0.01, 0.03)
"""Learning rates of one member; the recipe multiplies them by the number of members, at every λ
alike. At 0.1 nothing learnt, with a momentum of 0.9."""
DECAYS = (0.0, 0.004)
"""Weight decay of one member; the recipe divides it by M, since the rate is multiplied by M."""
STARTS = ("equal", "ahead", "spread")
"""How members start: equal; the first with weights times 1.6 and the others times 0.6; or with a
factor drawn log-uniformly for each."""
UNEQUAL = STARTS[1:]
NORMS = ("none", "batch")
BATCHES = (15, 60)
"""Batch sizes of the lanes about SGD; BatchNorm cannot take a last batch of one, which 16 gives."""
AHEAD = (1.6, 0.6)
SPREAD = (0.5, 2.0)
LANES = 10
"""Lanes trained together: networks are so small that a step costs more than its arithmetic."""

_BUDGETS = {"digits": (3_000, 24_000), "fashion": (25_000,)}
"""Parameters of a member, for the question of depth."""
_SIDES = {"digits": 64, "fashion": 784}
_BATCH = {"digits": 16, "fashion": 25}
CLASSES = 10


@dataclass(frozen=True)
class Ensemble:
    """One run of the study: one architecture on one data set, at several λs."""

    purpose: str
    """"rules", "depth" or "sgd": only one, so that no lane answers two questions."""
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
    start: str = "equal"
    decay: float = 0.0
    norm: str = "none"
    batch: int = 0
    """0 for that of the data."""

    @property
    def name(self) -> str:
        """A name for its files."""
        shape = f"{self.depth}x{self.width}-{self.members}"
        parts = [self.purpose, self.data, shape, f"{self.rate:g}"]
        if self.purpose != "depth":
            parts += [self.start, f"{self.decay:g}"]
        if self.purpose == "sgd":
            parts += [self.norm, str(self.batch)]
        if self.budget:
            parts.append(str(self.budget))
        return "-".join(parts)

    def recipe(self, data: str) -> Recipe:
        """Return what to train, on a named data set or an .npz file."""
        return Recipe(
            name=self.name,
            seed=crc32(self.name.encode()),
            data=Data(name=data),
            members=Members(
                arch="mlp",
                count=self.members,
                hidden=(self.width,) * self.depth,
                norm=self.norm,
                **started(self.start, self.members),
            ),
            lam=self.lambdas,
            trials=self.trials,
            train=Train(
                epochs=self.epochs,
                batch=self.batch or _BATCH[self.data],
                lr=(self.rate,),
                lr_scale="members",
                weight_decay=self.decay / self.members,
            ),
            keep=Keep(outputs=("last",), checkpoints="none"),
            engine=Engine(device="cpu", threads=1, lanes=LANES, execution="stacked"),
        )


def started(start: str, members: int) -> dict[str, Any]:
    """Return the fields of [members] that make them start so."""
    if start == "ahead":
        return {"start": (AHEAD[0], *[AHEAD[1]] * (members - 1))}
    return {"start_spread": SPREAD} if start == "spread" else {}


def everything() -> Iterator[Ensemble]:
    """Return all ensembles, the fastest to train first."""
    yield from factorial()
    yield from sizes()
    yield from fashion()
    yield from depths("digits", trials=5, epochs=20, lambdas=(0.0, 0.9, 1.0))
    yield from depths("fashion", trials=3, epochs=15, lambdas=(0.0, 1.0))
    yield from sgd()


def quick() -> Iterator[Ensemble]:
    """Return three small ones for a test of the pipeline in seconds."""
    for width in (4, 16):
        yield Ensemble("rules", "digits", 1, width, 4, RATES[0], (0.0, 1.0), 1, 11)
    yield Ensemble("depth", "digits", 2, 8, 4, RATES[0], (0.0, 1.0), 2, 2, 650)
    yield Ensemble("sgd", "digits", 1, 4, 4, RATES[0], (1.0,), 1, 11, norm="batch", batch=60)


def factorial() -> Iterator[Ensemble]:
    """Return every combination of start, members, decay and depth, in two trials."""
    for start, members, decay, depth in product(STARTS, (2, 4, 16), DECAYS, (1, 2, 3, 4)):
        yield Ensemble(
            "rules", "digits", depth, 48, members, 0.02, trials=2, start=start, decay=decay
        )


def sizes() -> Iterator[Ensemble]:
    """Return narrow members at a large rate and wide ones at a small rate, up to 64 of them."""
    for start, depth in product(("equal", "spread"), (1, 2, 3, 4)):
        for members, width, rate in ((4, 12, 0.03), (16, 12, 0.03), (64, 12, 0.01), (4, 128, 0.01)):
            yield Ensemble("rules", "digits", depth, width, members, rate, start=start)


def fashion() -> Iterator[Ensemble]:
    """Return ensembles on another data set."""
    for start, members, depth in product(STARTS, (2, 4, 16), (1, 3)):
        yield Ensemble(
            "rules", "fashion", depth, 32, members, 0.01, (0.0, 0.9, 0.99, 1.0), 1, 12, start=start
        )


def depths(data: str, trials: int, epochs: int, lambdas: tuple[float, ...]) -> Iterator[Ensemble]:
    """Return members of 1 to 4 hidden layers with (nearly) equal numbers of parameters."""
    for budget in _BUDGETS[data]:
        for depth in (1, 2, 3, 4):
            width = width_for(budget, depth, _SIDES[data], CLASSES)
            yield Ensemble("depth", data, depth, width, 8, 0.02, lambdas, trials, epochs, budget)


def sgd() -> Iterator[Ensemble]:
    """Return ensembles at λ = 1 with every combination of BatchNorm, rate and batch size.

    All take the same number of steps, so larger batches have more epochs.
    """
    shapes = product(UNEQUAL, (2, 3))
    for (start, depth), norm, rate, batch in product(shapes, NORMS, RATES, BATCHES):
        epochs = EPOCHS * batch // BATCHES[0]
        yield Ensemble(
            "sgd", "digits", depth, 48, 4, rate, (1.0,), 4, epochs, 0, start, norm=norm, batch=batch
        )


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
