"""A recipe: everything that decides the outcome of one run, as frozen data without torch.

One recipe names all its lambdas and all its trials; each pair of them is a lane. Every field is
checked when the object is made, so a recipe that exists can be carried out as far as its numbers
go. `jtdiag.recipe_file` reads and writes it as TOML.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from jtdiag import names, recipe_checks as check
from jtdiag.errors import RecipeError

KeptEpochs = Literal["all", "none"] | tuple[int | str, ...]
"""Which epochs keep something: all, none, or a list of numbers, "best" and "last"."""

ARCHITECTURES = ("mlp",)


def _set(record: object, **values: object) -> None:
    """Store checked values in a frozen record while it is being made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which examples, and how many of them are held out for validation."""

    name: str
    """fashion-mnist, digits, or a path: an .npz file or a folder of images by class."""
    root: str = "data"
    """Where the files of a named data set lie."""
    val: int = 0
    """Training examples held out for validation, drawn anew for every trial."""

    def __post_init__(self) -> None:
        check.text("data.name", self.name)
        check.text("data.root", self.root)
        check.integer("data.val", self.val, 0)


@dataclass(frozen=True, kw_only=True)
class Members:
    """How many networks, and which."""

    arch: str
    count: int
    """Number of ensemble members, M."""
    hidden: tuple[int, ...] = ()
    """Units of each hidden layer of an mlp; an empty list is a linear model."""

    def __post_init__(self) -> None:
        check.choice("members.arch", self.arch, ARCHITECTURES)
        check.integer("members.count", self.count, 1)
        hidden = check.listed(self.hidden)
        _set(self, hidden=tuple(check.integer("members.hidden", h, 1) for h in hidden))


@dataclass(frozen=True, kw_only=True)
class Train:
    """How the weights move: stochastic gradient descent on the joint-training loss (Eq. 4)."""

    epochs: int = 10
    batch: int = 100
    """Examples a step; the last batch of an epoch may be smaller."""
    lr: tuple[float, ...] = (0.1,)
    """Learning rate: one for all, or one per lambda. The loss averages over members, so
    a network's own step is lr / M; the authors' recipes multiply lr by M for that reason."""
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    """The learning rate is multiplied by `lr_factor` after each of these epochs."""
    lr_factor: float = 0.1

    def __post_init__(self) -> None:
        check.integer("train.epochs", self.epochs, 1)
        check.integer("train.batch", self.batch, 1)
        lr = tuple(check.positive("train.lr", v) for v in check.several("train.lr", self.lr))
        momentum = check.number("train.momentum", self.momentum, 0, 1)
        check.flag("train.nesterov", self.nesterov)
        if self.nesterov and momentum == 0:
            raise RecipeError("train.nesterov is true; it needs train.momentum above 0.")
        _set(
            self,
            lr=lr,
            momentum=momentum,
            weight_decay=check.number("train.weight_decay", self.weight_decay, 0),
            milestones=tuple(
                check.integer("train.milestones", m, 1) for m in check.listed(self.milestones)
            ),
            lr_factor=check.positive("train.lr_factor", self.lr_factor),
        )


@dataclass(frozen=True, kw_only=True)
class Keep:
    """What a store keeps beside the metrics, which it keeps for every epoch."""

    outputs: KeptEpochs = "all"
    checkpoints: KeptEpochs = "all"
    splits: tuple[str, ...] = (names.TEST,)
    """Splits whose outputs are kept."""
    dtype: str = "float32"
    """Type of the kept outputs; float16 halves their size and rounds logits to 3 digits."""

    def __post_init__(self) -> None:
        splits = check.several("keep.splits", self.splits)
        _set(
            self,
            outputs=_kept_epochs("keep.outputs", self.outputs),
            checkpoints=_kept_epochs("keep.checkpoints", self.checkpoints),
            splits=check.different(
                "keep.splits", tuple(check.choice("keep.splits", s, names.SPLITS) for s in splits)
            ),
        )
        check.choice("keep.dtype", self.dtype, ("float32", "float16", "float64"))


def _kept_epochs(field_name: str, value: object) -> KeptEpochs:
    if value == "all":
        return "all"
    if value == "none" or check.listed(value) == ():
        return "none"
    for item in check.several(field_name, value):
        if isinstance(item, str):
            check.choice(f"{field_name} (in a list)", item, ("best", "last"))
        else:
            check.integer(field_name, item, 0)
    return check.different(field_name, check.several(field_name, value))


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where and how the arithmetic runs; of a result it changes the rounding at most."""

    device: str = "auto"
    """auto takes a GPU where there is one; otherwise cpu, cuda or cuda:N."""
    threads: int | str = "auto"
    """CPU threads; auto takes one for small steps, else the processors open to this process."""
    precision: str = "float32"
    lanes: int | str = "auto"
    """Lanes trained side by side in one computation; auto is 1 on a CPU, where more gain
    nothing, and as many as its memory holds on a GPU."""

    def __post_init__(self) -> None:
        check.text("engine.device", self.device)
        for name, value in (("engine.threads", self.threads), ("engine.lanes", self.lanes)):
            if value != "auto":
                check.integer(name, value, 1)
        check.choice("engine.precision", self.precision, ("float32", "float64"))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the outcome of one run.

    Raises:
        RecipeError: if a value is out of its range, saying which, and what would do.
    """

    data: Data
    members: Members
    name: str = "run"
    lam: tuple[float, ...] = (0.0, 0.5, 0.9, 1.0)
    """Joint-training weights: 0 trains members alone, 1 trains them end to end."""
    trials: int = 1
    """How often everything is repeated, from other initial weights and in another order."""
    seed: int = 0
    train: Train = field(default_factory=Train)
    keep: Keep = field(default_factory=Keep)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        if "/" in check.text("name", self.name) or self.name in (".", ".."):
            raise RecipeError(f"name is {self.name!r}; it names a folder, so it has no '/'.")
        lam = tuple(check.number("lam", value, 0, 1) for value in check.several("lam", self.lam))
        _set(self, lam=check.different("lam", lam))
        check.integer("trials", self.trials, 1)
        check.integer("seed", self.seed, 0)
        self._check_learning_rates()
        self._check_validation()

    def _check_learning_rates(self) -> None:
        if len(self.train.lr) not in (1, len(self.lam)):
            raise RecipeError(
                f"train.lr has {len(self.train.lr)} values for {len(self.lam)} lambdas; "
                "give one for all, or one per lambda in the order of lam."
            )

    def _check_validation(self) -> None:
        if self.data.val:
            return
        for what in ("outputs", "checkpoints"):
            if "best" in getattr(self.keep, what):
                raise RecipeError(
                    f"keep.{what} asks for the best epoch, which validation chooses, and data.val "
                    "is 0; hold examples out with data.val, or keep 'last' instead."
                )
        if names.VAL in self.keep.splits:
            raise RecipeError("keep.splits names val, and data.val is 0; set data.val above 0.")

    def lr(self, lam_index: int, epoch: int) -> float:
        """Return the learning rate of a lambda during an epoch (1 is the first)."""
        start = self.train.lr[lam_index if len(self.train.lr) > 1 else 0]
        passed = sum(epoch > milestone for milestone in self.train.milestones)
        return start * math.pow(self.train.lr_factor, passed)

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that are measured: train, val where examples are held out, and test."""
        return names.SPLITS if self.data.val else (names.TRAIN, names.TEST)
