"""A recipe: everything that decides the outcome of one run, as frozen data without torch.

One recipe names all its lambdas and all its trials; each pair of them is a lane. Every field is
checked when the object is made, so a recipe that exists can be carried out as far as its numbers
go. `jtdiag.recipe.toml` reads and writes it as TOML.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from jtdiag import families, names
from jtdiag.errors import RecipeError, nearest
from jtdiag.recipe import checks as check, learning_rates
from jtdiag.recipe.alerts import Alerts, check_alerts
from jtdiag.recipe.objective import QUIET, Objective, weight
from jtdiag.recipe.optimisers import OPTIMISERS
from jtdiag.recipe.scheme import check_scheme

KeptEpochs = Literal["all", "none"] | tuple[int | str, ...]
"""Which epochs keep something: all, none, or a list of numbers, "best" and "last"."""

ARCHITECTURES = {
    "mlp": ("hidden",),
    "conv": ("filters", "strides"),
    "densenet": ("depth", "growth", "reduction"),
    "module": ("factory",),
    "resnext": ("blocks", "width"),
    "branches": ("factory",),
}
"""Architectures of members, and the fields of [members] that each understands."""

BRANCHED = ("resnext", "branches")
"""Architectures whose members are branches of one network and share its weights."""


def _set(record: object, **values: object) -> None:
    """Store checked values in a frozen record while it is being made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which examples, and how many of them are held out for validation."""

    name: str
    """A named data set, or a path: an .npz file or a folder of images by class."""
    root: str = "data"
    """Where the files of a named data set lie."""
    val: int = 0
    """Training examples held out for validation, drawn anew for every trial."""
    augment: tuple[str, ...] = ()
    """What is done to training images anew in every batch, the same for all members: "crop"
    (4 pixels of padding, then a random crop) and "flip" (left and right, half of the time)."""

    def __post_init__(self) -> None:
        check.text("data.name", self.name)
        check.text("data.root", self.root)
        check.integer("data.val", self.val, 0)
        augment = tuple(
            check.choice("data.augment", a, ("crop", "flip")) for a in check.listed(self.augment)
        )
        _set(self, augment=check.different("data.augment", augment))


@dataclass(frozen=True, kw_only=True)
class Members:
    """How many networks, and which."""

    arch: str
    count: int
    """Number of ensemble members, M."""
    hidden: tuple[int, ...] = ()
    """mlp: units of each hidden layer; an empty list is a linear model."""
    filters: tuple[int, ...] = ()
    """conv: filters of each 3x3 layer, for example 32, 64, 64, 128, 128."""
    strides: tuple[int, ...] = ()
    """conv: stride of each layer, for example 1, 2, 1, 2, 1."""
    depth: int = 0
    """densenet: layers in all; depth − 4 must be a multiple of 6."""
    growth: int = 0
    """densenet: filters that each layer adds."""
    reduction: float = 0.5
    """densenet: share of the filters that a transition keeps."""
    blocks: tuple[int, ...] = ()
    """resnext: blocks in each of the four stages, for example 2, 2, 2, 2."""
    width: int = 0
    """resnext: filters of a branch in the first stage; they double from stage to stage."""
    factory: str = ""
    """module, branches: ``package.module:function`` or ``path/file.py:function`` that makes one
    member, or one network with all its branches."""

    def __post_init__(self) -> None:
        check.choice("members.arch", self.arch, ARCHITECTURES)
        check.integer("members.count", self.count, 1)
        for name in ("hidden", "filters", "strides", "blocks"):
            values = check.listed(getattr(self, name))
            _set(self, **{name: tuple(check.integer(f"members.{name}", v, 1) for v in values)})
        for name in ("depth", "growth", "width"):
            check.integer(f"members.{name}", getattr(self, name), 0)
        check.positive("members.reduction", self.reduction)
        _set(self, reduction=check.number("members.reduction", self.reduction, 0, 1))
        if self.factory != "":
            check.text("members.factory", self.factory)
        self._check_fields()

    @property
    def branched(self) -> bool:
        """Whether members are branches of one network, whose weights they share."""
        return self.arch in BRANCHED

    @property
    def copies(self) -> int:
        """How many networks with weights of their own: M, or one where members are branches."""
        return 1 if self.branched else self.count

    def _check_fields(self) -> None:
        """Refuse fields of another architecture, and an architecture without its own."""
        own = ARCHITECTURES[self.arch]
        for name, f in self.__dataclass_fields__.items():
            given = name not in ("arch", "count") and getattr(self, name) != f.default
            if given and name not in own:
                raise RecipeError(
                    f"members.{name} is given, and members.arch is '{self.arch}', "
                    f"which has {' and '.join(own)}; leave it out, or name another arch."
                )
            needed = f.default in ((), 0) and self.arch != "mlp"  # a factory may come from Python
            if name in own and not given and needed:
                raise RecipeError(
                    f"members.{name} is missing; members.arch = '{self.arch}' needs it."
                )
        if len(self.filters) != len(self.strides):
            raise RecipeError(
                f"members.filters has {len(self.filters)} values and members.strides "
                f"{len(self.strides)}; give one stride per layer."
            )
        if self.arch == "resnext" and len(self.blocks) != 4:
            raise RecipeError(
                f"members.blocks has {len(self.blocks)} values; a resnext has four stages, "
                "for example blocks = [2, 2, 2, 2]."
            )


@dataclass(frozen=True, kw_only=True)
class Train:
    """How the weights move: stochastic gradient descent on the joint-training loss (Eq. 4)."""

    epochs: int = 10
    batch: int = 100
    """Examples a step; the last batch of an epoch may be smaller."""
    lr: tuple[float, ...] = (0.1,)
    """Learning rate: one for all, or one per lambda. The loss averages over members, so
    a network's own step is lr / M; the authors' recipes multiply lr by M for that reason.
    "paper" and "matched" are rules, which the recipe turns into numbers."""
    lr_rule: str = field(default="given", metadata=QUIET)
    """Where the numbers in lr are from: "given", or a rule's."""
    lr_scale: str = "none"
    """"members" multiplies lr by M, which undoes the loss's mean over members; "none" does not."""
    optimiser: str = "sgd"
    """"sgd", "adamw", or "soap", a second-order method within each layer of each member."""
    momentum: float = 0.9
    """sgd only."""
    nesterov: bool = False
    """sgd only."""
    weight_decay: float = 0.0
    """sgd adds it to the gradient; adamw and soap shrink the weights by lr times it."""
    clip: float = 0.0
    """Longest gradient of one member, in Euclidean norm; 0 leaves gradients as they are."""
    schedule: str = "milestones"
    """"milestones" or "cosine", which falls to 0 at the last epoch."""
    warmup: int = 0
    """Epochs over which the learning rate rises, evenly, to its first value."""
    milestones: tuple[int, ...] = ()
    """The learning rate is multiplied by `lr_factor` after each of these epochs."""
    lr_factor: float = 0.1

    def __post_init__(self) -> None:
        check.integer("train.epochs", self.epochs, 1)
        check.integer("train.batch", self.batch, 1)
        lr = self._rates()
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
            clip=check.number("train.clip", self.clip, 0),
        )
        check.choice("train.lr_scale", self.lr_scale, ("none", "members"))
        check.choice("train.optimiser", self.optimiser, OPTIMISERS.names())
        check.choice("train.schedule", self.schedule, ("milestones", "cosine"))
        check.integer("train.warmup", self.warmup, 0)
        check.choice("train.lr_rule", self.lr_rule, learning_rates.RULES)

    def _rates(self) -> tuple[float, ...]:
        """Return checked rates; none yet where a rule is to say them."""
        given: object = self.lr
        if isinstance(given, str):
            rules = learning_rates.RULES[1:]
            if given not in rules:
                raise RecipeError(
                    f"train.lr is {given!r}; it must be a number above 0, or one of "
                    f"{', '.join(rules)}.{nearest(given, rules)}"
                )
            _set(self, lr_rule=given)
            return ()
        if given == () and self.lr_rule != "given":
            return ()
        return tuple(check.positive("train.lr", v) for v in check.several("train.lr", given))


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
    execution: str = "auto"
    """How members are computed: "stacked" (one batched operation a layer), "vmap" or "loop";
    auto times on a few steps what the architecture allows, and takes the fastest."""
    layout: str = "auto"
    """Order of images in memory in the loop over members: "channels_first" or "channels_last";
    auto leaves it to the timing. "stacked" and "vmap" have an order of their own."""
    products: str = "auto"
    """Type of convolutions and matrix products: "float32", or "bfloat16" with weights, sums
    and losses in float32; auto leaves it to the timing for members with convolutions."""
    micro_members: int | str = "auto"
    """Members whose activations are held at once in a training step; auto: all, or as many as
    fit. The gradient is the same, at the price of a second forward pass."""

    def __post_init__(self) -> None:
        check.text("engine.device", self.device)
        for name in ("threads", "lanes", "micro_members"):
            if getattr(self, name) != "auto":
                check.integer(f"engine.{name}", getattr(self, name), 1)
        check.choice("engine.precision", self.precision, ("float32", "float64"))
        check.choice("engine.execution", self.execution, ("auto", "stacked", "vmap", "loop"))
        check.choice("engine.layout", self.layout, ("auto", "channels_first", "channels_last"))
        check.choice("engine.products", self.products, ("auto", "float32", "bfloat16"))


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
    scheme: str = field(default="joint", metadata=QUIET)
    """How the members come about: "joint" (Eq. 4), "bagging", "stacking" or "single"."""
    bootstrap: str = field(default="weights", metadata=QUIET)
    """bagging: a member's sample as "weights" of the common batches, or as "batches" of its own."""
    family: str = field(default="categorical", metadata=QUIET)
    """Likelihood: "categorical", "gaussian", "poisson", "bernoulli", or ``path/file.py:Class``."""
    combiner: str = field(default="logits", metadata=QUIET)
    """What the ensemble averages: "logits" (canonical parameters) or "probabilities"."""
    objective: Objective = field(default_factory=Objective)
    alerts: Alerts = field(default_factory=Alerts)
    train: Train = field(default_factory=Train)
    keep: Keep = field(default_factory=Keep)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        if "/" in check.text("name", self.name) or self.name in (".", ".."):
            raise RecipeError(f"name is {self.name!r}; it names a folder, so it has no '/'.")
        lam = tuple(weight("lam", value) for value in check.several("lam", self.lam))
        _set(self, lam=check.different("lam", lam))
        if ":" not in check.text("family", self.family):
            check.choice("family", self.family, families.FAMILIES.names())
        check.choice("combiner", self.combiner, families.COMBINERS)
        self.objective.check_with(self.lam, self.combiner)
        check_alerts(self)
        check.integer("trials", self.trials, 1)
        check.integer("seed", self.seed, 0)
        check_scheme(self)
        self._check_learning_rates()
        self._check_validation()

    def _check_learning_rates(self) -> None:
        if self.train.lr_rule != "given":
            _set(self, train=learning_rates.resolved(self))
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

    def first_lr(self, lam_index: int) -> float:
        """Return the learning rate of a lambda, of all members together, before any schedule."""
        rates = self.train.lr
        start = rates[lam_index if len(rates) > 1 else 0]
        return start * self.members.count if self.train.lr_scale == "members" else start

    def lr(self, lam_index: int, epoch: int) -> float:
        """Return the learning rate of a lambda during an epoch (1 is the first)."""
        train, start = self.train, self.first_lr(lam_index)
        if epoch <= train.warmup:
            return start * epoch / train.warmup
        if train.schedule == "cosine":
            done = (epoch - 1 - train.warmup) / max(1, train.epochs - train.warmup)
            return start * (1 + math.cos(math.pi * done)) / 2
        passed = sum(epoch > milestone for milestone in train.milestones)
        return start * math.pow(train.lr_factor, passed)

    def lam_at(self, lam_index: int, epoch: int) -> float:
        """Return the λ with which a lane trains during an epoch; its own, without a schedule."""
        return self.objective.lam_at(self.lam[lam_index], epoch, self.train.epochs)

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that are measured: train, val where examples are held out, and test."""
        return names.SPLITS if self.data.val else (names.TRAIN, names.TEST)
