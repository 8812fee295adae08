"""[members] of a recipe, and the record that every architecture registers.

An architecture is an `Architecture` under the entry-point group ``jtdiag.architectures``. The
records are loaded whenever a recipe is read, so they must not import torch at module level.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import attrs
import cattrs
from cattrs.errors import ForbiddenExtraKeysError

from jtdiag import loading
from jtdiag.errors import RecipeError, shown
from jtdiag.recipe import checks
from jtdiag.recipe.checks import LARGEST_FACTOR, checked
from jtdiag.recipe.learning_rates import PaperRates
from jtdiag.recipe.sizing import Sizing

EQUAL: Final = "equal"
"""members.start of members whose initial weights are not multiplied."""
MOST_MEMBERS: Final = 100_000
"""Metrics of every member are kept for every epoch."""
WIDEST: Final = 1_000_000
"""Largest number of units or filters."""
DEEPEST: Final = 10_000
"""Largest number of layers or blocks."""
START_FIELDS: Final = ("start", "start_spread")
NORMS: Final = ("none", "batch")
ACTIVATIONS: Final = ("relu", "tanh")


def _architecture_name(field: str, value: object) -> str:
    return checks.choice(field, value, ARCHITECTURES.names())


def _reduction(field: str, value: object) -> float:
    return checks.positive(field, value, 1)


def _start(field: str, value: object) -> str | tuple[float, ...]:
    """Return "equal" or a list of positive factors."""
    if value == EQUAL:
        return EQUAL
    if isinstance(value, str):
        raise RecipeError(
            f"{field} is {shown(value)}; it must be 'equal' or a list of one factor per member, "
            "such as [1.6, 0.6, 0.6, 0.6]."
        )
    return tuple(
        checks.positive(field, item, LARGEST_FACTOR) for item in checks.several(field, value)
    )


def _start_spread(field: str, value: object) -> tuple[float, ...]:
    """Return no factors, or the smallest and the largest factor of a spread."""
    factors = tuple(checks.positive(field, item, LARGEST_FACTOR) for item in checks.listed(value))
    if factors and (len(factors) != 2 or factors[0] > factors[1]):
        raise RecipeError(
            f"{field} is {shown(value)}; it must be two factors, the smaller first, such as "
            "[0.5, 2]."
        )
    return factors


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Members:
    """Number and architecture of the members."""

    SECTION: ClassVar[str] = "members"

    arch: str = attrs.field(metadata=checked(_architecture_name))
    """Name of an installed architecture."""
    count: int = attrs.field(metadata=checked(checks.integer, 1, MOST_MEMBERS))
    """Number of members, M."""
    hidden: tuple[int, ...] = attrs.field(default=(), metadata=checked(checks.integers, 1, WIDEST))
    """mlp: number of units of each hidden layer; an empty list is a linear model."""
    filters: tuple[int, ...] = attrs.field(default=(), metadata=checked(checks.integers, 1, WIDEST))
    """conv: number of filters of each 3x3 layer, for example 32, 64, 64, 128, 128."""
    strides: tuple[int, ...] = attrs.field(default=(), metadata=checked(checks.integers, 1, WIDEST))
    """conv: stride of each layer, for example 1, 2, 1, 2, 1."""
    norm: str = attrs.field(default="none", metadata=checked(checks.choice, NORMS, quiet=True))
    """mlp, conv: "batch" puts BatchNorm between each hidden layer and its activation."""
    activation: str = attrs.field(
        default="relu", metadata=checked(checks.choice, ACTIVATIONS, quiet=True)
    )
    """mlp: activation of the hidden layers."""
    depth: int = attrs.field(default=0, metadata=checked(checks.integer, 0, DEEPEST))
    """densenet: number of layers; depth − 4 must be a multiple of 6. chain: number of weights."""
    growth: int = attrs.field(default=0, metadata=checked(checks.integer, 0, WIDEST))
    """densenet: growth rate, the number of filters that each layer adds."""
    reduction: float = attrs.field(default=0.5, metadata=checked(_reduction))
    """densenet: fraction of the filters that a transition layer keeps."""
    blocks: tuple[int, ...] = attrs.field(default=(), metadata=checked(checks.integers, 1, DEEPEST))
    """resnext: number of blocks in each of the four stages, for example 2, 2, 2, 2."""
    width: int = attrs.field(default=0, metadata=checked(checks.integer, 0, WIDEST))
    """resnext: number of filters of a branch in the first stage; it doubles with each stage."""
    start: str | tuple[float, ...] = attrs.field(
        default=EQUAL, metadata=checked(_start, quiet=True)
    )
    """Factors by which the initial weights and biases of the members are multiplied: "equal" (all
    1), or one factor per member."""
    start_spread: tuple[float, ...] = attrs.field(
        default=(), metadata=checked(_start_spread, quiet=True)
    )
    """Smallest and largest factor, if factors are drawn log-uniformly for each trial and member."""
    factory: str = attrs.field(default="", metadata=checked(checks.optional_text))
    """module, branches: ``package.module:function`` or ``path/file.py:function``, a function that
    returns one member, or one network with all its branches."""
    options: Mapping[str, Any] = attrs.field(
        factory=dict, hash=False, metadata=checked(checks.table, quiet=True)
    )
    """Options of chain and of third-party architectures, as a table [members.options]."""

    def __attrs_post_init__(self) -> None:
        self._check_fields()
        self._check_start()
        self.architecture.read_options(self.options)
        if self.architecture.check is not None:
            self.architecture.check(self)

    @property
    def architecture(self) -> "Architecture":
        """The registered architecture."""
        return ARCHITECTURES.find(self.arch)

    @property
    def architecture_options(self) -> Any:
        """The options as validated by the architecture: see `Architecture.options`."""
        return self.architecture.read_options(self.options)

    @property
    def branched(self) -> bool:
        """Whether the members are branches of one network and share its weights."""
        return self.architecture.branched

    @property
    def copies(self) -> int:
        """Number of networks with weights of their own: M, or 1 if the members are branches."""
        return 1 if self.branched else self.count

    @property
    def starts_equal(self) -> bool:
        """Whether no member's initial weights are multiplied by a factor."""
        return self.start == EQUAL and not self.start_spread

    def _check_start(self) -> None:
        """Reject starting factors that contradict each other or the members."""
        if self.starts_equal:
            return
        if self.branched:
            name = "start_spread" if self.start_spread else "start"
            raise RecipeError(
                f"members.{name} is set, but members.arch is '{self.arch}', whose branches share "
                f"weights and have no starting factors of their own; omit {name}."
            )
        if self.start == EQUAL:
            return
        if self.start_spread:
            raise RecipeError(
                "members.start_spread is set, and members.start lists factors; omit one of them."
            )
        if len(self.start) != self.count:
            raise RecipeError(
                f"members.start is {list(self.start)} and members.count is {self.count}; "
                "list one factor per member."
            )

    def _check_fields(self) -> None:
        """Reject fields of other architectures, and missing fields of this one."""
        architecture = self.architecture
        used = (*architecture.fields, "arch", "count", *START_FIELDS)
        for field in attrs.fields(Members):
            name = field.name
            default = {} if name == "options" else field.default
            is_set = getattr(self, name) != default
            if is_set and name not in used:
                used_fields = ", ".join(architecture.fields) or "no fields of its own"
                raise RecipeError(
                    f"members.{name} is set, but members.arch is '{self.arch}', which uses "
                    f"{used_fields}; omit {name}, or choose another arch."
                )
            if name in architecture.required and not is_set:
                raise RecipeError(
                    f"members.{name} is missing; members.arch = '{self.arch}' requires it."
                )


@attrs.frozen(kw_only=True)
class Architecture:
    """All that jtdiag needs to know about an architecture of members."""

    name: str
    """As in members.arch, and as its entry point is named."""
    build: Callable[[Members, tuple[int, ...], int, Callable[[], Any] | None], Any]
    """Called with the members, the shape of one example, the number of outputs K and the factory
    given to `train` (or None); returns a `jtdiag.engine.architectures.module_stack.ModuleStack`.
    It imports torch when it is called. `members.architecture_options` are the options."""
    required: tuple[str, ...] = ()
    """Fields of [members] that must be set."""
    optional: tuple[str, ...] = ()
    """Fields of [members] that may be set."""
    check: Callable[[Members], None] | None = None
    """Raises a RecipeError if these fields are inconsistent."""
    options: type | Callable[[Mapping[str, Any]], Any] | None = None
    """Validates [members.options]: an attrs class, or a function that returns the validated options
    and raises a RecipeError; None if there are no options."""
    branched: bool = False
    """Whether the members are branches of one network and share its weights."""
    images_only: bool = False
    """Whether the members take images (C, H, W) only."""
    auto_executions: tuple[str, ...] = ()
    """Executions that engine.execution = "auto" times; if empty, those that the stack supports."""
    try_bfloat16: bool = False
    """Whether engine.products = "auto" times bfloat16 as well."""
    try_channels_last: bool = True
    """Whether engine.layout = "auto" times channels-last images in the loop as well."""
    first_layer: str = ""
    """Regular expression that matches the name of the first layer's weights; if empty, they are
    the first parameter with two dimensions or more."""
    sizing: Sizing | None = None
    """How the size follows from a width, for `jtdiag budget`."""
    paper_rates: PaperRates | None = None
    """Learning rates of Webb et al. 2020, for train.lr = "paper" and "matched"."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of [members] that the architecture uses."""
        options = ("options",) if self.options is not None else ()
        return (*self.required, *self.optional, *options)

    def read_options(self, table: Mapping[str, Any]) -> Any:
        """Return the validated options, an instance of `options` or what this function returns.

        Raises:
            RecipeError: if an option is unknown, missing or invalid.
        """
        if self.options is None:
            return None
        if not isinstance(self.options, type):
            return self.options(table)
        return _structured(table, self.options)


def _structured(table: Mapping[str, Any], kind: type) -> Any:
    converter = cattrs.Converter(
        forbid_extra_keys=True, detailed_validation=False, prefer_attrib_converters=True
    )
    try:
        return converter.structure(table, kind)
    except RecipeError:
        raise
    except ForbiddenExtraKeysError as error:
        key = min(error.extra_fields)
        names = [field.name for field in attrs.fields(kind)]
        raise checks.unknown_key("members.options", key, names) from error
    except KeyError as error:
        raise RecipeError(f"members.options has no '{error.args[0]}'; it is required.") from error
    except (TypeError, ValueError) as error:
        message = " ".join(str(error).split())
        raise RecipeError(f"members.options is {dict(table)}; {message}") from error


ARCHITECTURES: Final[loading.Registry[Architecture]] = loading.Registry(
    group="jtdiag.architectures",
    kind="jtdiag.recipe.members:Architecture",
    noun="architecture",
    plural="architectures",
    error=RecipeError,
    order=("mlp", "conv", "densenet", "module", "resnext", "branches", "chain"),
)
"""Installed architectures."""


def paper_rates(members: Members, rule: str) -> PaperRates:
    """Return the learning rates of Webb et al. 2020 for the architecture of the members.

    Raises:
        RecipeError: if the paper has none.
    """
    rates = members.architecture.paper_rates
    if rates is None:
        names = [record.name for record in ARCHITECTURES.all() if record.paper_rates]
        raise RecipeError(
            f"train.lr is {rule!r} and members.arch is {members.arch!r}; the paper has rates for "
            f"{', '.join(names)}. Set numbers."
        )
    return rates
