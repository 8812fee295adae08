"""[modules] of a recipe, and the record that every way of assigning credit registers.

The modules of a member are consecutive groups of its layers; the last one has the head. `credit`
says how each is told what to change: by backpropagation through all of them, or by losses of its
own. A way is a `CreditRecord` under the entry-point group ``jtdiag.credits``. The records are
loaded whenever a recipe is read, so they must not import torch at module level.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import attrs

from jtdiag import loading
from jtdiag.errors import RecipeError, shown
from jtdiag.recipe import checks
from jtdiag.recipe.checks import LARGEST_FACTOR, checked
from jtdiag.recipe.schedules import SCHEDULES, check_schedule, value_at

END_TO_END: Final = "end-to-end"
FROZEN: Final = "frozen"
CUTS: Final = ("layers", "head")
DEEPEST_HEAD: Final = 2
"""Most hidden layers of a local head, as in Belilovsky et al. 2020."""
LARGEST_POOL: Final = 1_000
COUPLINGS: Final = ("head", "every")
MOST_SWEEPS: Final = 100_000
FIRSTS: Final = ("hidden", "output")
INVERSES: Final = ("learned", "fixed")


def _cuts(field: str, value: object) -> str | tuple[int, ...]:
    """Return "layers", "head" or the numbers of the layers after which a member is cut."""
    if isinstance(value, str):
        return checks.choice(field, value, CUTS)
    cuts = tuple(checks.integer(field, item, 1) for item in checks.several(field, value))
    if list(cuts) != sorted(set(cuts)):
        raise RecipeError(
            f"{field} is {shown(value)}; it must list different layers in ascending order, such "
            "as [1, 2]."
        )
    return cuts


def _credit(field: str, value: object) -> str:
    return checks.choice(field, value, CREDITS.names())


def _loss(field: str, value: object, modules: "Modules") -> str:
    """Return a loss of the credit; the first one by default."""
    losses = modules.record.losses
    if value == "":
        return losses[0] if losses else ""
    if not losses:
        raise RecipeError(
            f"{field} is {shown(value)}, but modules.credit is '{modules.credit}', whose modules "
            "have no losses to choose from; omit loss."
        )
    return checks.choice(field, value, losses)


def _weights_of_ends(field: str, value: object) -> tuple[float, ...]:
    weights = tuple(checks.number(field, v, 0, LARGEST_FACTOR) for v in checks.listed(value))
    if len(weights) not in (0, 2):
        raise RecipeError(
            f"{field} is {shown(value)}; it must be two weights, of the first and of the last "
            "local module, such as [2, 0]."
        )
    return weights


def _share(field: str, value: object) -> float:
    return checks.positive(field, value, 1)


def _rates(field: str, value: object) -> tuple[float, ...]:
    return tuple(checks.positive(field, item, LARGEST_FACTOR) for item in checks.listed(value))


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Modules:
    """How the modules of a member are told what to change; by default end to end."""

    SECTION: ClassVar[str] = "modules"

    cuts: str | tuple[int, ...] = attrs.field(default="layers", metadata=checked(_cuts, quiet=True))
    """Where members are cut into modules: after every hidden layer ("layers"), before the head
    alone ("head"), or after the listed layers."""
    credit: str = attrs.field(default=END_TO_END, metadata=checked(_credit, quiet=True))
    """How modules are told what to change: "end-to-end", "local", "proxy", "synthetic",
    "targets", "codes", "frozen", or one from another package."""
    watch: bool = attrs.field(default=False, metadata=checked(checks.flag, quiet=True))
    """end-to-end, frozen: whether a local head after every hidden module learns beside the member,
    from detached features, so that errors are known module by module."""
    loss: str = attrs.field(default="", metadata=checked(_loss, quiet=True, takes_self=True))
    """local: loss of a hidden module: "pred", "sim", "predsim", "infopro" or "contrast"."""
    mu: float = attrs.field(default=0.0, metadata=checked(checks.number, 0, 1, quiet=True))
    """local, synthetic: weight μ of what the module above hands down; 1 − μ is that of a module's
    own loss or synthetic gradient. 0 is local, 1 is end to end."""
    mu_schedule: str = attrs.field(
        default="constant", metadata=checked(checks.choice, SCHEDULES, quiet=True)
    )
    """How μ changes from `mu_start` to `mu`: "constant" (not at all), "linear", "cosine" or
    "step"."""
    mu_start: float = attrs.field(default=0.0, metadata=checked(checks.number, 0, 1, quiet=True))
    """μ in the first epoch of a schedule."""
    mu_epochs: int = attrs.field(default=0, metadata=checked(checks.integer, 0, quiet=True))
    """Epoch in which the schedule reaches `mu`; 0 is the last epoch. With "step", the last epoch at
    `mu_start`."""
    reach: int = attrs.field(default=0, metadata=checked(checks.integer, 0, quiet=True))
    """local, instead of μ: a module follows the loss of the module `reach` − 1 ahead; 1 is local,
    and the number of modules is end to end. 0: not used."""
    lam: str = attrs.field(default="head", metadata=checked(checks.choice, COUPLINGS, quiet=True))
    """local: whether members are coupled by λ in the last module only ("head"), or in the local
    heads of every depth ("every")."""
    head_layers: int = attrs.field(
        default=0, metadata=checked(checks.integer, 0, DEEPEST_HEAD, quiet=True)
    )
    """Hidden layers of a local head or a synthesiser, with as many units as it has inputs."""
    pool: int = attrs.field(
        default=0, metadata=checked(checks.integer, 0, LARGEST_POOL, quiet=True)
    )
    """Height and width to which feature maps are averaged before a local head or a proxy; 0 is 4
    for local heads, and 1, the mean of each map, for proxies."""
    beta: float = attrs.field(default=0.99, metadata=checked(checks.number, 0, 1, quiet=True))
    """predsim: weight of the similarity; 1 − beta is that of the prediction."""
    reconstruction: tuple[float, ...] = attrs.field(
        default=(), metadata=checked(_weights_of_ends, quiet=True)
    )
    """infopro, contrast: weight of the reconstruction of the input, in the first and in the last
    local module, linear between them; [2, 0] for infopro and [0, 0] for contrast by default."""
    prediction: tuple[float, ...] = attrs.field(
        default=(), metadata=checked(_weights_of_ends, quiet=True)
    )
    """infopro, contrast: weight of the prediction or contrast; [1, 1] by default."""
    temperature: float = attrs.field(
        default=0.0, metadata=checked(checks.number, 0, LARGEST_FACTOR, quiet=True)
    )
    """contrast, cts: temperature of the similarities; 0 is 0.07 for contrast and 0.2 for cts."""
    epochs: tuple[int, ...] = attrs.field(
        default=(), metadata=checked(checks.integers, 1, quiet=True)
    )
    """proxy: epochs of each module, the head last, which are trained one after the other; they add
    up to train.epochs."""
    pairs: float = attrs.field(default=1.0, metadata=checked(_share, quiet=True))
    """proxy: share of the pairs of examples that are labelled as same or different class, above 0
    and up to 1; a fixed choice by seed."""
    label: bool = attrs.field(default=True, metadata=checked(checks.flag, quiet=True))
    """synthetic: whether synthesisers know an example's label besides its features."""
    warmup: int = attrs.field(default=0, metadata=checked(checks.integer, 0, quiet=True))
    """synthetic: first epochs in which synthesisers learn, and members are trained end to end."""
    step: float = attrs.field(
        default=0.5, metadata=checked(checks.positive, LARGEST_FACTOR, quiet=True)
    )
    """targets: η, by how much of an example's gradient the first target differs from the output."""
    first: str = attrs.field(default="hidden", metadata=checked(checks.choice, FIRSTS, quiet=True))
    """targets: whether the first target is that of the last hidden module ("hidden"), or that of
    the members' outputs ("output"), which an inverse of the last module hands down."""
    inverse: str = attrs.field(
        default="learned", metadata=checked(checks.choice, INVERSES, quiet=True)
    )
    """targets: whether inverses are learned, or stay as they were drawn ("fixed")."""
    noise: float = attrs.field(
        default=0.1, metadata=checked(checks.number, 0, LARGEST_FACTOR, quiet=True)
    )
    """targets: standard deviation of the noise with which inverses are learned."""
    rho: float = attrs.field(
        default=1.0, metadata=checked(checks.positive, LARGEST_FACTOR, quiet=True)
    )
    """codes: ρ, weight of the squared distances between codes and outputs."""
    sweeps: int = attrs.field(
        default=10, metadata=checked(checks.integer, 1, MOST_SWEEPS, quiet=True)
    )
    """codes: sweeps over the codes in a step."""
    code_step: float = attrs.field(
        default=0.1, metadata=checked(checks.positive, LARGEST_FACTOR, quiet=True)
    )
    """codes: step down the gradient of an example's energy, halved until the energy falls."""
    rates: tuple[float, ...] = attrs.field(default=(), metadata=checked(_rates, quiet=True))
    """Learning rates of the modules, the head last, as multiples of train.lr; 1 by default."""
    auxiliary_rate: float = attrs.field(
        default=1.0, metadata=checked(checks.positive, LARGEST_FACTOR, quiet=True)
    )
    """Learning rate of what is learned beside the members, as a multiple of train.lr."""

    def __attrs_post_init__(self) -> None:
        self._check_fields()
        check_schedule("modules.mu", self.mu_schedule, self.mu_start, self.mu_epochs, "μ")
        if self.reach and (self.mu or self.mu_schedule != "constant"):
            raise RecipeError(
                f"modules.reach is {self.reach} and modules.mu is set; both say how far a module "
                "sees, so omit one of them."
            )
        if self.inverse == "fixed" and self.noise != attrs.fields(Modules).noise.default:
            raise RecipeError(
                "modules.noise is set, but modules.inverse is 'fixed', and noise is for learning "
                "inverses; omit noise."
            )

    @property
    def record(self) -> "CreditRecord":
        """The registered way of assigning credit."""
        return CREDITS.find(self.credit)

    @property
    def active(self) -> bool:
        """Whether anything differs from training a member as a whole."""
        return self.credit != END_TO_END or self.watch

    def mu_at(self, epoch: int, epochs: int) -> float:
        """Return μ in an epoch (1 is the first) of a run with that many epochs."""
        if epoch <= self.warmup:
            return 1.0
        last = self.mu_epochs or epochs
        return value_at(self.mu_schedule, self.mu_start, self.mu, last, epoch)

    @property
    def head_from(self) -> int:
        """Number of epochs in which the head is not trained yet; 0 if all modules train at once."""
        return sum(self.epochs[:-1])

    def trained_until(self, modules: int, epochs: int) -> list[int]:
        """Return the last epoch in which each module is trained; 0 for those that never are.

        Args:
            modules: Number of modules.
            epochs: Epochs of the run.
        """
        if self.record.one_by_one:
            return [sum(self.epochs[: i + 1]) for i in range(modules)]
        return [0 if self.credit == FROZEN else epochs] * (modules - 1) + [epochs]

    def phase(self, epoch: int) -> tuple[int, int, int]:
        """Return which module an epoch trains, if modules are trained one after the other.

        Args:
            epoch: 1 is the first; epoch 0, before training, counts as the first.

        Returns:
            The index of the module, the epoch counted from its first one, and its number of
            epochs.
        """
        before = 0
        for index, count in enumerate(self.epochs):
            if epoch <= before + count:
                return index, max(1, epoch - before), count
            before += count
        raise ValueError(f"epoch is {epoch}; modules are trained for {before} epochs.")

    def check_with(self, epochs: int) -> None:
        """Check the epochs of modules against those of the run.

        Raises:
            RecipeError: if they do not add up.
        """
        if not self.record.one_by_one:
            return
        if len(self.epochs) < 2:
            raise RecipeError(
                f"modules.credit is '{self.credit}', whose modules are trained one after the "
                "other; list the epochs of each in modules.epochs, the head's last, such as "
                "[40, 20]."
            )
        if sum(self.epochs) != epochs:
            raise RecipeError(
                f"modules.epochs is {list(self.epochs)}, which adds up to {sum(self.epochs)}, and "
                f"train.epochs is {epochs}; make them equal."
            )

    def _check_fields(self) -> None:
        """Reject fields of other credits and of other losses."""
        record = self.record
        used = (*record.fields, "cuts", "credit")
        for field in attrs.fields(Modules):
            name = field.name
            if name == "loss" or getattr(self, name) == field.default:
                continue
            if name not in used:
                own = ", ".join(record.fields) or "no fields of its own"
                raise RecipeError(
                    f"modules.{name} is set, but modules.credit is '{self.credit}', which uses "
                    f"{own}; omit {name}, or choose another credit."
                )
            losses = LOSSES_OF_FIELD.get(name, (self.loss,))
            if self.loss not in losses:
                raise RecipeError(
                    f"modules.{name} is set, but modules.loss is '{self.loss}'; it belongs to "
                    f"{' and '.join(losses)}."
                )


LOSSES_OF_FIELD: Final = {
    "beta": ("predsim",),
    "lam": ("pred", "predsim", "infopro"),
    "reconstruction": ("infopro", "contrast"),
    "prediction": ("infopro", "contrast"),
    "temperature": ("contrast", "cts"),
}
"""Losses that use a field."""


@attrs.frozen(kw_only=True)
class CreditRecord:
    """A way of telling modules what to change: its name, its fields, and how it is built."""

    name: str
    """As in modules.credit, and as its entry point is named."""
    build: Callable[[Any], Any]
    """Called with a `jtdiag.engine.modules.contract.Setting`; returns a
    `jtdiag.engine.modules.contract.Credit`. It imports torch when it is called."""
    fields: tuple[str, ...] = ()
    """Fields of [modules] that it uses, besides `cuts`."""
    one_by_one: bool = False
    """Whether modules are trained one after the other, by `epochs`. All but the last one must then
    not depend on λ: they are trained once for all λs of a trial."""
    losses: tuple[str, ...] = ()
    """Values of `loss`, the default first; empty if there is nothing to choose."""
    metrics: Mapping[str, tuple[str, str]] = attrs.field(factory=dict)
    """Unit and meaning of what it measures in training, by member and module, under the names in
    `jtdiag.engine.modules.contract.Credited.measured`."""


CREDITS: Final[loading.Registry[CreditRecord]] = loading.Registry(
    group="jtdiag.credits",
    kind="jtdiag.recipe.modules:CreditRecord",
    noun="credit",
    plural="credits",
    error=RecipeError,
    order=(END_TO_END, "local", "proxy", "synthetic", "targets", "codes", FROZEN),
)
"""Installed ways of assigning credit."""
