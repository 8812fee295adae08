"""[alerts] of a recipe: what the engine does when a rule of the early warning speaks."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jtdiag import rules
from jtdiag.errors import RecipeError
from jtdiag.recipe import checks as check
from jtdiag.recipe.objective import COUPLED, QUIET, weight

if TYPE_CHECKING:
    from jtdiag.recipe.recipe import Recipe

UNSTABLE = ("dominance", "codependence")
"""Rules that λ is lowered on, unless others are named."""


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What follows from an alert; by default nothing but that it is told."""

    stop_on: tuple[str, ...] = field(default=(), metadata=QUIET)
    """Rules that end a lane when they first speak of it: its last epoch is sealed, and it is done.
    See the manual, "Alerts"."""
    lower_lam: float = field(default=1.0, metadata=QUIET)
    """λ with which a lane goes on, from the next epoch, when a rule of `lower_on` speaks of it; 1
    lowers nothing."""
    lower_on: tuple[str, ...] = field(default=UNSTABLE, metadata=QUIET)
    """Rules that lower λ to `lower_lam`."""

    def __post_init__(self) -> None:
        for name in ("stop_on", "lower_on"):
            given = check.listed(getattr(self, name))
            known = tuple(
                check.choice(f"alerts.{name}", rule, rules.RULES.names()) for rule in given
            )
            object.__setattr__(self, name, check.different(f"alerts.{name}", known))
        object.__setattr__(self, "lower_lam", weight("alerts.lower_lam", self.lower_lam))
        if self.lowers and not self.lower_on:
            raise RecipeError(
                f"alerts.lower_lam is {self.lower_lam:g} and alerts.lower_on names no rule; "
                "name those that lower λ, or leave both out."
            )
        if not self.lowers and self.lower_on != UNSTABLE:
            raise RecipeError(
                "alerts.lower_on is given and alerts.lower_lam is 1; say with which λ to go on."
            )

    @property
    def lowers(self) -> bool:
        """True where an alert may lower λ."""
        return self.lower_lam < 1


def check_alerts(recipe: "Recipe") -> None:
    """Refuse a λ to go on with where λ cannot move, or to which no lane could be lowered.

    Raises:
        RecipeError: saying which it is, and what would do.
    """
    lower = recipe.alerts.lower_lam
    if not recipe.alerts.lowers:
        return
    fixed = f"scheme is {recipe.scheme!r}" if recipe.scheme != "joint" else ""
    if recipe.objective.loss in COUPLED:
        fixed = f"objective.loss is {recipe.objective.loss!r}"
    if fixed:
        raise RecipeError(f"alerts.lower_lam is {lower:g} and {fixed}; λ is given by that.")
    if max(recipe.lam) <= lower:
        raise RecipeError(
            f"alerts.lower_lam is {lower:g} and the largest lam {max(recipe.lam):g}; "
            "no λ would be lowered. Give one below the largest."
        )
