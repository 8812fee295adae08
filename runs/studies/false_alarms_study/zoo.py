"""The zoo: lanes with which nothing is wrong, by kind, each with the reason why.

Lanes at λ = 0 are independent networks: no member can carry another, whatever they look like. The
few lanes at λ > 0 are those that cannot fail either: members of one hidden layer, or members that
have learned nothing yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train

RULES = (
    "dominance",
    "codependence",
    "stagnation",
    "diversity-explosion",
    "divergence",
    "over-capacity",
)

TOO_LARGE = "rate too large"


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """One run of the zoo; its lanes are all healthy for the rules that are counted."""

    kind: str
    """As in the table of the page."""
    hidden: tuple[int, ...]
    members: int
    data: str = "digits"
    lambdas: tuple[float, ...] = (0.0,)
    trials: int = 4
    epochs: int = 10
    train: dict[str, Any] = field(default_factory=dict)
    """Fields of [train] other than those of most lanes."""
    start: dict[str, Any] = field(default_factory=dict)
    """Fields of [members] that make them start unequal."""
    family: str = "categorical"
    counted: tuple[str, ...] = RULES
    """Rules for which nothing is wrong with these lanes."""

    @property
    def name(self) -> str:
        """A name for its files, which is also its seed."""
        shape = "-".join(map(str, self.hidden)) or "linear"
        parts = [self.kind, self.data, f"{shape}x{self.members}"]
        parts += [f"{key}{value}" for key, value in {**self.train, **self.start}.items()]
        return "".join(c if c.isalnum() or c in ".-" else "_" for c in "-".join(parts))

    def recipe(self, data: str) -> Recipe:
        """Return what to train, on a named data set or an .npz file."""
        usual = {"batch": 16, "lr": (0.02,), "lr_scale": "members"}
        return Recipe(
            name=self.name,
            seed=crc32(self.name.encode()),
            family=self.family,
            data=Data(name=data),
            members=Members(arch="mlp", count=self.members, hidden=self.hidden, **self.start),
            lam=self.lambdas,
            trials=self.trials,
            train=Train(epochs=self.epochs, **(usual | self.train)),
            keep=Keep(outputs="none", checkpoints="none"),
            engine=Engine(device="cpu", threads=1, lanes=10, execution="stacked"),
        )


def everything() -> Iterator[Healthy]:
    """Return all runs of the zoo."""
    yield from _independent()
    yield from _hard_data()
    yield from _training()
    yield from _starts()
    yield from _joint()


def diverging() -> Iterator[Healthy]:
    """Return runs that are no part of the zoo: their learning rate is too large."""
    for layers, rate in ((1, 0.5), (2, 0.1), (3, 0.1), (4, 0.06)):
        for members in (4, 16):
            yield Healthy(
                kind=TOO_LARGE,
                hidden=(48,) * layers,
                members=members,
                lambdas=(0.0, 1.0),
                trials=2,
                train={"lr": (rate,)},
                counted=(),
            )


def quick() -> Iterator[Healthy]:
    """Return two small runs for a test in seconds."""
    yield Healthy(kind="independent", hidden=(4,), members=2, trials=2, epochs=4)
    yield Healthy(kind="unequal classes", data="unequal-90-10", hidden=(2,), members=2, epochs=3)


def _independent() -> Iterator[Healthy]:
    for members in (4, 16):
        for hidden in ((32,), (48, 48, 48)):
            yield Healthy(kind="independent", hidden=hidden, members=members)
    for hidden in ((32,), (48, 48), (48, 48, 48)):
        yield Healthy(kind="two members", hidden=hidden, members=2, trials=5)
    yield Healthy(kind="many members", hidden=(8,), members=64, trials=8)
    yield Healthy(kind="many members", hidden=(4,), members=256, trials=8)


def _hard_data() -> Iterator[Healthy]:
    for data in ("unequal-99-1", "unequal-90-10"):
        for members in (2, 4):
            yield Healthy(
                kind="unequal classes", data=data, hidden=(16,), members=members, trials=10
            )
    yield Healthy(kind="1,000 classes", data="many-classes", hidden=(64,), members=4, trials=5)
    yield Healthy(kind="1,000 classes", data="many-classes", hidden=(64, 64), members=4, trials=5)
    for hidden in ((32,), (48, 48)):
        yield Healthy(kind="wrong labels", data="wrong-labels", hidden=hidden, members=4, trials=6)
    yield Healthy(
        kind="regression", data="diabetes", family="gaussian", hidden=(16,), members=4, trials=8
    )
    yield Healthy(
        kind="regression", data="counts", family="poisson", hidden=(16,), members=4, trials=8
    )


def _training() -> Iterator[Healthy]:
    yield Healthy(kind="optimizers", hidden=(48, 48), members=4, train={"momentum": 0.0})
    yield Healthy(
        kind="optimizers",
        hidden=(48, 48),
        members=4,
        train={"optimiser": "adamw", "lr": (0.001,), "lr_scale": "none"},
    )
    yield Healthy(
        kind="optimizers",
        hidden=(48, 48),
        members=4,
        train={"optimiser": "soap", "lr": (0.001,), "lr_scale": "none"},
    )
    for members in (4, 16):
        yield Healthy(
            kind="hardly trained",
            hidden=(48, 48),
            members=members,
            lambdas=(0.0, 0.9, 1.0),
            train={"lr": (1e-6,)},
        )
    yield Healthy(
        kind="plateau at chance",
        hidden=(64,) * 8,
        members=3,
        trials=8,
        epochs=20,
    )
    yield Healthy(
        kind="plateau at chance, λ = 1",
        hidden=(64,) * 8,
        members=3,
        lambdas=(1.0,),
        trials=8,
        epochs=20,
        counted=("divergence",),
    )


def _starts() -> Iterator[Healthy]:
    for layers in (1, 2, 3, 4):
        for members in (2, 4, 16):
            for start in (
                {"start": (1.6, *[0.6] * (members - 1))},
                {"start_spread": (0.5, 2.0)},
            ):
                hidden = (48,) * layers
                yield Healthy(kind="unequal starts", hidden=hidden, members=members, start=start)


def _joint() -> Iterator[Healthy]:
    for members in (2, 4, 16):
        yield Healthy(
            kind="joint, one hidden layer", hidden=(48,), members=members, lambdas=(0.5, 0.9)
        )
