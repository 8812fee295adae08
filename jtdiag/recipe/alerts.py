"""[alerts] of a recipe: what happens to a lane when an early-warning rule fires."""

from collections.abc import Sequence
from typing import ClassVar

import attrs

from jtdiag import rules
from jtdiag.errors import RecipeError
from jtdiag.names import lam_text
from jtdiag.recipe import checks
from jtdiag.recipe.checks import checked
from jtdiag.recipe.objective import COUPLED, Objective, weight

UNSTABLE = ("dominance", "codependence")
"""Rules that lower λ by default."""


def _rule_names(field: str, value: object) -> tuple[str, ...]:
    return checks.choices(field, value, rules.RULES.names())


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Alerts:
    """What happens when a rule fires; by default the alert is reported and training continues."""

    SECTION: ClassVar[str] = "alerts"

    stop_on: tuple[str, ...] = attrs.field(default=(), metadata=checked(_rule_names, quiet=True))
    """Rules that stop a lane when they first fire: the epoch is sealed and the lane is complete.
    See the manual, "Alerts"."""
    lower_lam: float = attrs.field(default=1.0, metadata=checked(weight, quiet=True))
    """λ of the following epochs of a lane after a rule of `lower_on` fires; 1 lowers nothing."""
    lower_on: tuple[str, ...] = attrs.field(
        default=UNSTABLE, metadata=checked(_rule_names, quiet=True)
    )
    """Rules that lower λ to `lower_lam`."""

    def __attrs_post_init__(self) -> None:
        if self.lowers and not self.lower_on:
            raise RecipeError(
                f"alerts.lower_lam is {lam_text(self.lower_lam)} and alerts.lower_on is empty; "
                "list the rules that lower λ, or omit both."
            )
        if not self.lowers and self.lower_on != UNSTABLE:
            raise RecipeError(
                "alerts.lower_on is given and alerts.lower_lam is 1; set the λ to which these "
                "rules lower it."
            )

    @property
    def lowers(self) -> bool:
        """Whether a rule may lower λ."""
        return self.lower_lam < 1


def check_alerts(alerts: Alerts, scheme: str, objective: Objective, lam: Sequence[float]) -> None:
    """Reject `lower_lam` where λ is fixed, or where no lane has a larger λ.

    Raises:
        RecipeError: saying which of the two, and how to fix it.
    """
    if not alerts.lowers:
        return
    fixed = f"scheme is {scheme!r}" if scheme != "joint" else ""
    if objective.loss in COUPLED:
        fixed = f"objective.loss is {objective.loss!r}"
    if fixed:
        raise RecipeError(
            f"alerts.lower_lam is {lam_text(alerts.lower_lam)} and {fixed}, which fixes λ; omit "
            "lower_lam."
        )
    if max(lam) <= alerts.lower_lam:
        raise RecipeError(
            f"alerts.lower_lam is {lam_text(alerts.lower_lam)} and the largest lam is "
            f"{lam_text(max(lam))}, so no "
            "λ would be lowered; set lower_lam below the largest lam."
        )
