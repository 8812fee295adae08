"""A recipe: the complete specification of a run, as frozen data without torch.

One recipe lists all its λs and all its trials; each pair of them is a lane. Every field is checked
when the object is created. `jtdiag.recipe.toml` reads and writes recipes as TOML.
"""

import math
from html import escape

import attrs

from jtdiag import families, names
from jtdiag.errors import RecipeError, shown
from jtdiag.printable import printable
from jtdiag.recipe import checks, learning_rates
from jtdiag.recipe.alerts import Alerts, check_alerts
from jtdiag.recipe.checks import checked
from jtdiag.recipe.members import ARCHITECTURES, Architecture, Members, paper_rates
from jtdiag.recipe.modules import Modules
from jtdiag.recipe.objective import Objective, weights
from jtdiag.recipe.scheme import (
    BOOTSTRAPS,
    SCHEMES,
    check_bootstrap,
    check_independent,
    check_single,
    check_stacking,
)
from jtdiag.recipe.sections import Data, Engine, Keep, KeptEpochs, Train
from jtdiag.recipe.toml_writing import to_toml

__all__ = [
    "ARCHITECTURES",
    "Alerts",
    "Architecture",
    "Data",
    "Engine",
    "Keep",
    "KeptEpochs",
    "Members",
    "Modules",
    "Objective",
    "Recipe",
    "Train",
]


MOST_TRIALS = 100_000
"""Every trial has a lane for each λ, with files of its own."""
LONGEST_NAME = 200
"""File systems allow names of 255 bytes, of which drafts and other files need some."""


def _folder_name(field: str, value: object) -> str:
    name = checks.text(field, value)
    if "/" in name or name in (".", ".."):
        raise RecipeError(f"{field} is {shown(name)}; it becomes a folder name, so it has no '/'.")
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise RecipeError(
            f"{field} is {shown(name)}; it becomes a folder name, so it has {LONGEST_NAME} bytes "
            "at most."
        )
    return name


def _family(field: str, value: object) -> str:
    name = checks.text(field, value)
    return name if ":" in name else checks.choice(field, name, families.FAMILIES.names())


def _with_learning_rates(field: str, value: object, recipe: "Recipe") -> Train:
    """Return [train] with one learning rate for all λs or one per λ, computed by a rule if set."""
    train: Train = checks.section(field, value, Train)
    members, lam = recipe.members, recipe.lam
    if train.lr_rule != "given":
        paper = paper_rates(members, train.lr_rule)
        train = learning_rates.resolved(
            train, lam, arch=members.arch, members=members.count, paper=paper
        )
    if len(train.lr) not in (1, len(lam)):
        raise RecipeError(
            f"train.lr has {len(train.lr)} values for {len(lam)} λs; give one for all, or one per "
            "λ in the order of lam."
        )
    return train


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Recipe:
    """The complete specification of a run.

    Raises:
        RecipeError: if a value is invalid, naming the field and saying how to fix it.
    """

    data: Data = attrs.field(metadata=checked(checks.section, Data))
    members: Members = attrs.field(metadata=checked(checks.section, Members))
    name: str = attrs.field(default="run", metadata=checked(_folder_name))
    """Name of the run and of its folder."""
    lam: tuple[float, ...] = attrs.field(default=(0.0, 0.5, 0.9, 1.0), metadata=checked(weights))
    """Values of λ, the weight of the ensemble loss: 0 trains the members independently, 1 trains
    them end to end."""
    trials: int = attrs.field(default=1, metadata=checked(checks.integer, 1, MOST_TRIALS))
    """Number of repetitions with other initial weights and another order of the examples."""
    seed: int = attrs.field(default=0, metadata=checked(checks.integer, 0))
    scheme: str = attrs.field(default="joint", metadata=checked(checks.choice, SCHEMES, quiet=True))
    """How the members are trained: "joint" (Eq. 4), "bagging", "stacking" or "single"."""
    bootstrap: str = attrs.field(
        default="weights", metadata=checked(checks.choice, BOOTSTRAPS, quiet=True)
    )
    """bagging: the bootstrap sample of a member as "weights" of the examples in common batches, or
    as "batches" of its own."""
    family: str = attrs.field(default="categorical", metadata=checked(_family, quiet=True))
    """Likelihood: "categorical", "gaussian", "poisson", "bernoulli", or ``path/file.py:Class``."""
    combiner: str = attrs.field(
        default="logits", metadata=checked(checks.choice, families.COMBINERS, quiet=True)
    )
    """What the ensemble averages: "logits" (canonical parameters) or "probabilities"."""
    objective: Objective = attrs.field(
        factory=Objective, metadata=checked(checks.section, Objective)
    )
    modules: Modules = attrs.field(factory=Modules, metadata=checked(checks.section, Modules))
    alerts: Alerts = attrs.field(factory=Alerts, metadata=checked(checks.section, Alerts))
    train: Train = attrs.field(
        factory=Train, metadata=checked(_with_learning_rates, takes_self=True)
    )
    keep: Keep = attrs.field(factory=Keep, metadata=checked(checks.section, Keep))
    engine: Engine = attrs.field(factory=Engine, metadata=checked(checks.section, Engine))

    def __attrs_post_init__(self) -> None:
        self.objective.check_with(self.lam, self.combiner)
        check_alerts(self.alerts, self.scheme, self.objective, self.lam)
        self._check_scheme()
        self._check_modules()
        self._check_validation()

    def _repr_html_(self) -> str:
        """Return all fields as TOML, for notebooks."""
        return f"<pre>{escape(printable(to_toml(self)))}</pre>"

    def _check_scheme(self) -> None:
        check_bootstrap(self.scheme, self.bootstrap)
        if self.scheme == "single":
            check_single(self.members, self.lam)
        if self.scheme in ("bagging", "stacking"):
            check_independent(self.scheme, self.members, self.lam, self.objective)
        if self.scheme == "stacking":
            check_stacking(self.family, self.data, self.keep)

    def _check_modules(self) -> None:
        if not self.modules.active:
            return
        self.modules.check_with(self.train.epochs)
        if self.members.branched:
            raise RecipeError(
                f"modules.credit is '{self.modules.credit}' and members.arch is "
                f"'{self.members.arch}', whose members are branches that share layers; modules "
                "need members with layers of their own."
            )
        if self.bootstrap == "batches":
            raise RecipeError(
                f"modules.credit is '{self.modules.credit}' and bootstrap is 'batches'; use "
                "bootstrap = 'weights' with modules."
            )

    def _check_validation(self) -> None:
        if self.data.val:
            return
        for name in ("outputs", "checkpoints"):
            if "best" in getattr(self.keep, name):
                raise RecipeError(
                    f"keep.{name} includes 'best', which is chosen on the validation split, and "
                    "data.val is 0; set data.val > 0, or keep 'last' instead."
                )
        if names.VAL in self.keep.splits:
            raise RecipeError("keep.splits includes 'val' and data.val is 0; set data.val > 0.")

    def first_lr(self, lam_index: int) -> float:
        """Return the initial learning rate at a λ, for the joint loss, before any schedule."""
        rates = self.train.lr
        rate = rates[lam_index if len(rates) > 1 else 0]
        return rate * self.members.count if self.train.lr_scale == "members" else rate

    def lr(self, lam_index: int, epoch: int) -> float:
        """Return the learning rate at a λ in an epoch (1 is the first).

        Modules that are trained one after the other begin the schedule anew.
        """
        train, first, epochs = self.train, self.first_lr(lam_index), self.train.epochs
        if self.modules.epochs:
            _, epoch, epochs = self.modules.phase(epoch)
        if epoch <= train.warmup:
            return first * epoch / train.warmup
        if train.schedule == "cosine":
            progress = (epoch - 1 - train.warmup) / max(1, epochs - train.warmup)
            return first * (1 + math.cos(math.pi * progress)) / 2
        passed = sum(epoch > milestone for milestone in train.milestones)
        return first * math.pow(train.lr_factor, passed)

    def lam_at(self, lam_index: int, epoch: int) -> float:
        """Return the λ of the training loss in an epoch; constant without a schedule."""
        return self.objective.lam_at(self.lam[lam_index], epoch, self.train.epochs)

    def mu_at(self, epoch: int) -> float:
        """Return μ, the weight of what is handed down between modules, in an epoch."""
        return self.modules.mu_at(epoch, self.train.epochs)

    @property
    def splits(self) -> tuple[str, ...]:
        """Evaluated splits: train, val if examples are held out, and test."""
        return names.SPLITS if self.data.val else (names.TRAIN, names.TEST)
