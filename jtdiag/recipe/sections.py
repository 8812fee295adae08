"""Sections of a recipe that are independent of the others: [data], [train], [keep] and [engine]."""

import math
from typing import Any, ClassVar, Literal

import attrs

from jtdiag import loading, names
from jtdiag.errors import RecipeError, nearest, shown
from jtdiag.recipe import checks
from jtdiag.recipe.checks import LARGEST_FACTOR, checked
from jtdiag.recipe.class_groups import ClassGroups, class_groups
from jtdiag.recipe.image_layout import LAYOUTS
from jtdiag.recipe.optimisers import OPTIMISERS

LARGEST_SIDE = 10_000
"""Pixels of a side of an image."""
MOST_EPOCHS = 1_000_000
"""Metrics of every epoch are kept in memory."""
MOST_THREADS = 1_024
"""More threads than any machine has only take memory."""
KeptEpochs = Literal["all", "none"] | tuple[int | str, ...]
"""Epochs to keep: all, none, or a list of epoch numbers, "best" and "last"."""
LR_RULES = ("given", "paper", "matched")
"""Where the learning rates come from: from the user, or from a rule (`learning_rates`)."""


def _scale(field: str, value: object) -> float | str:
    return "auto" if value == "auto" else checks.positive(field, value, LARGEST_FACTOR)


def _resize(field: str, value: object) -> tuple[int, ...]:
    sides = checks.integers(field, value, 1, LARGEST_SIDE)
    if len(sides) not in (0, 2):
        raise RecipeError(f"{field} is {shown(value)}; it must be [height, width] in pixels.")
    return sides


def _keys(field: str, value: object) -> tuple[str, ...]:
    names = tuple(checks.text(field, item) for item in checks.listed(value))
    if names and len(names) != 4:
        raise RecipeError(
            f"{field} lists {len(names)} of four names; give those of x_train, y_train, "
            "x_test and y_test."
        )
    return checks.different(field, names)


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Data:
    """The dataset, and the size of the validation split."""

    SECTION: ClassVar[str] = "data"

    name: str = attrs.field(metadata=checked(checks.text))
    """Name of a dataset, or a path: an .npz file, or a folder with one subfolder per class; or an
    address, such as file.py:function."""
    root: str = attrs.field(default="data", metadata=checked(checks.text))
    """Folder with the files of a named dataset."""
    val: int = attrs.field(default=0, metadata=checked(checks.integer, 0))
    """Number of training examples held out for validation, drawn separately for each trial."""
    augment: tuple[str, ...] = attrs.field(
        default=(), metadata=checked(checks.choices, ("crop", "flip"))
    )
    """Augmentation of the training images, drawn for each batch and the same for all members:
    "crop" (a random crop after padding by 4 pixels) and "flip" (left to right, with probability
    ½)."""
    layout: str = attrs.field(default="auto", metadata=checked(checks.choice, LAYOUTS, quiet=True))
    """Order of the axes of images in an .npz file: "nchw", "nhwc", or "auto", by their shape."""
    scale: float | str = attrs.field(default="auto", metadata=checked(_scale, quiet=True))
    """Number by which the inputs of an .npz file are divided; "auto" is 255 for images of bytes."""
    keys: tuple[str, ...] = attrs.field(default=(), metadata=checked(_keys, quiet=True))
    """Names of the arrays in an .npz file that are x_train, y_train, x_test and y_test."""
    resize: tuple[int, ...] = attrs.field(default=(), metadata=checked(_resize, quiet=True))
    """Height and width to which the images of a folder are resized; by default they are not."""
    standardize: bool = attrs.field(default=True, metadata=checked(checks.flag, quiet=True))
    """Whether inputs are standardized, by mean and standard deviation of the training part."""
    classes: ClassGroups = attrs.field(default=(), metadata=checked(class_groups, quiet=True))
    """Groups of classes to tell apart, as numbers or names; examples of others are left out. By
    default every class of the data set."""
    limit: int = attrs.field(default=0, metadata=checked(checks.integer, 0, quiet=True))
    """Number of training examples to use, the first ones of `classes`, validation included; 0 uses
    all."""

    def __attrs_post_init__(self) -> None:
        if 0 < self.limit <= self.val:
            raise RecipeError(
                f"data.limit is {self.limit} and data.val is {self.val}, which leaves no training "
                "examples; raise data.limit, or hold out fewer."
            )

    @property
    def address(self) -> str:
        """The name if it is an address of code, such as file.py:function; else ""."""
        is_address = loading.split(self.name)[0] and not self.name.endswith(".npz")
        return self.name if is_address else ""

    @property
    def options(self) -> dict[str, Any]:
        """Fields that are set and say how a data set is read."""
        fields = {name: getattr(self, name) for name in READING}
        return {name: value for name, value in fields.items() if value not in ("auto", True, ())}


READING = ("layout", "scale", "keys", "resize", "standardize")
"""Fields of [data] that say how a data set is read."""


class RatesByRule(tuple[float, ...]):
    """Learning rates that a rule has yet to compute; empty until then."""

    rule: str


def _learning_rates(field: str, value: object) -> tuple[float, ...]:
    """Return checked learning rates, or an empty `RatesByRule` if the value names a rule."""
    if isinstance(value, RatesByRule):
        return value
    if isinstance(value, str):
        rules = LR_RULES[1:]
        if value not in rules:
            raise RecipeError(
                f"{field} is {shown(value)}; it must be a number greater than 0, or one of "
                f"{', '.join(rules)}.{nearest(value, rules)}"
            )
        rates = RatesByRule()
        rates.rule = value
        return rates
    return tuple(
        checks.positive(field, item, LARGEST_FACTOR) for item in checks.several(field, value)
    )


def _rule(field: str, value: object, train: "Train") -> str:
    """Return the rule that `lr` names, or else the value."""
    if isinstance(train.lr, RatesByRule):
        return train.lr.rule
    return checks.choice(field, value, LR_RULES)


def _optimiser(field: str, value: object) -> str:
    return checks.choice(field, value, OPTIMISERS.names())


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Train:
    """Optimizer, learning rate and schedule."""

    SECTION: ClassVar[str] = "train"

    epochs: int = attrs.field(default=10, metadata=checked(checks.integer, 1, MOST_EPOCHS))
    batch: int = attrs.field(default=100, metadata=checked(checks.integer, 1))
    """Batch size; the last batch of an epoch may be smaller."""
    lr: tuple[float, ...] = attrs.field(default=(0.1,), metadata=checked(_learning_rates))
    """Learning rate: one for all λs, or one per λ. The loss is a mean over members, so the
    effective rate of a single member is lr / M; Webb et al. therefore multiply lr by M. "paper"
    and "matched" are rules, which the recipe replaces by numbers."""
    lr_rule: str = attrs.field(
        default="given", metadata=checked(_rule, quiet=True, takes_self=True)
    )
    """Where the numbers in lr come from: "given", or the name of a rule."""
    lr_scale: str = attrs.field(
        default="none", metadata=checked(checks.choice, ("none", "members"))
    )
    """"members" multiplies lr by M, which cancels the mean over members; "none" does not."""
    optimiser: str = attrs.field(default="sgd", metadata=checked(_optimiser))
    """"sgd", "adamw", "soap", a second-order method within each layer of each member, or one from
    another package."""
    momentum: float = attrs.field(default=0.9, metadata=checked(checks.number, 0, 1))
    """For sgd only."""
    nesterov: bool = attrs.field(default=False, metadata=checked(checks.flag))
    """Whether sgd uses Nesterov momentum."""
    weight_decay: float = attrs.field(
        default=0.0, metadata=checked(checks.number, 0, LARGEST_FACTOR)
    )
    """L2 penalty for sgd; decoupled weight decay (scaled by lr) for adamw and soap."""
    clip: float = attrs.field(default=0.0, metadata=checked(checks.number, 0, LARGEST_FACTOR))
    """Maximum gradient norm of each member (gradient clipping); 0 does not clip."""
    schedule: str = attrs.field(
        default="milestones", metadata=checked(checks.choice, ("milestones", "cosine"))
    )
    """"milestones", or "cosine", which decays to 0 at the last epoch."""
    warmup: int = attrs.field(default=0, metadata=checked(checks.integer, 0))
    """Number of epochs over which the learning rate increases linearly to its initial value."""
    milestones: tuple[int, ...] = attrs.field(default=(), metadata=checked(checks.integers, 1))
    """Epochs after which the learning rate is multiplied by `lr_factor`."""
    lr_factor: float = attrs.field(default=0.1, metadata=checked(checks.positive, LARGEST_FACTOR))

    def __attrs_post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise RecipeError("train.nesterov is true; it needs train.momentum greater than 0.")
        if self.lr and self._log10_of_largest_rate > math.log10(LARGEST_FACTOR):
            raise RecipeError(
                f"train.lr_factor is {self.lr_factor:g} and train.milestones lists "
                f"{len(self.milestones)} epochs, so that the learning rate exceeds "
                f"{LARGEST_FACTOR:g}; lower one of them."
            )

    @property
    def _log10_of_largest_rate(self) -> float:
        growth = max(0.0, len(self.milestones) * math.log10(self.lr_factor))
        return math.log10(max(self.lr)) + growth


def _kept_epochs(field: str, value: object) -> KeptEpochs:
    if value == "all":
        return "all"
    if value == "none" or checks.listed(value) == ():
        return "none"
    items = checks.several(field, value)
    for item in items:
        if isinstance(item, str):
            checks.choice(f"{field} (in a list)", item, ("best", "last"))
        else:
            checks.integer(field, item, 0)
    return checks.different(field, items)


def _kept_splits(field: str, value: object) -> tuple[str, ...]:
    return checks.choices(field, checks.several(field, value), names.SPLITS)


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Keep:
    """What the store keeps in addition to the metrics of every epoch."""

    SECTION: ClassVar[str] = "keep"

    outputs: KeptEpochs = attrs.field(default="all", metadata=checked(_kept_epochs))
    """Epochs whose outputs are kept."""
    checkpoints: KeptEpochs = attrs.field(default="all", metadata=checked(_kept_epochs))
    """Epochs whose checkpoints are kept."""
    splits: tuple[str, ...] = attrs.field(default=(names.TEST,), metadata=checked(_kept_splits))
    """Splits whose outputs are kept."""
    dtype: str = attrs.field(
        default="float32", metadata=checked(checks.choice, ("float32", "float16", "float64"))
    )
    """Data type of the kept outputs; float16 halves their size and has 3 significant digits."""


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Engine:
    """Where and how the run is computed; it affects results by rounding errors only."""

    SECTION: ClassVar[str] = "engine"

    device: str = attrs.field(default="auto", metadata=checked(checks.text))
    """auto uses a GPU if there is one; otherwise cpu, cuda or cuda:N."""
    threads: int | str = attrs.field(
        default="auto", metadata=checked(checks.integer_or_auto, 1, MOST_THREADS)
    )
    """CPU threads; auto uses one for small steps, and otherwise all available processors."""
    precision: str = attrs.field(
        default="float32", metadata=checked(checks.choice, ("float32", "float64"))
    )
    lanes: int | str = attrs.field(default="auto", metadata=checked(checks.integer_or_auto, 1))
    """Lanes trained together in one batched computation; auto is 1 on a CPU, where more are not
    faster, and on a GPU as many as fit into memory."""
    execution: str = attrs.field(
        default="auto", metadata=checked(checks.choice, ("auto", "stacked", "vmap", "loop"))
    )
    """How members are computed: "stacked" (one batched operation per layer), "vmap" or "loop";
    auto times the available ones on a few steps and uses the fastest."""
    layout: str = attrs.field(
        default="auto", metadata=checked(checks.choice, ("auto", "channels_first", "channels_last"))
    )
    """Memory format of images in "loop": "channels_first" or "channels_last"; auto times both.
    "stacked" and "vmap" choose their own."""
    products: str = attrs.field(
        default="auto", metadata=checked(checks.choice, ("auto", "float32", "bfloat16"))
    )
    """Data type of convolutions and matrix products: "float32", or "bfloat16" with weights, sums
    and losses in float32; auto times both for convolutional members."""
    micro_members: int | str = attrs.field(
        default="auto", metadata=checked(checks.integer_or_auto, 1)
    )
    """Members whose activations are in memory at the same time in a training step; auto: all, or
    as many as fit. The gradient is the same, at the cost of a second forward pass."""
