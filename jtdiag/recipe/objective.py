"""[objective] of a recipe: the loss that training minimizes, and the schedule of λ."""

import math
from collections.abc import Iterable
from typing import ClassVar

import attrs

from jtdiag.errors import RecipeError, shown
from jtdiag.names import lam_text
from jtdiag.recipe import checks
from jtdiag.recipe.checks import checked
from jtdiag.recipe.schedules import SCHEDULES, check_schedule, value_at

JOINT = ("joint", "gncl-upper", "jensen-gap")
"""Names of Eq. 4 of Webb et al. 2020: their own, that of Buschjäger et al. (2020) for the upper
bound of GNCL, and that of Abe et al. (2022), whose weight of the Jensen gap is γ = 1 − λ."""
COUPLED = {"coupled-fc": 1.0, "coupled-sm": 0.0, "coupled-ll": 0.0}
"""Losses of Dutt et al. 2017, and the λ at which Eq. 4 is the same loss."""
OBJECTIVES = (*JOINT, "gncl-exact", *COUPLED)


def weight(field: str, value: object) -> float:
    """Return a λ in [0, 1]; the message for larger values explains the limit."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 1 < value < math.inf:  # type: ignore[operator]
        raise RecipeError(
            f"{field} is {shown(value)}; it must be a number in [0, 1]. For λ > 1 the joint loss "
            "has no lower bound (Gaussian members drift apart indefinitely), so training diverges."
        )
    return checks.number(field, value, 0, 1)


def weights(field: str, value: object) -> tuple[float, ...]:
    """Return a list of different λs that is not empty; one value counts as a list of one."""
    lams = tuple(weight(field, item) for item in checks.several(field, value))
    text_of: dict[str, float] = {}
    for lam in checks.different(field, lams):
        same = text_of.setdefault(lam_text(lam), lam)
        if same != lam:
            raise RecipeError(
                f"{field} lists {same!r} and {lam!r}, which are both written {lam_text(lam)}; "
                "omit one of them, or round them."
            )
    return lams


def _drop(field: str, value: object) -> float:
    drop = checks.number(field, value, 0, 1)
    if drop == 1:
        raise RecipeError(f"{field} is 1; it must be below 1, or no member is left.")
    return drop


@attrs.frozen(kw_only=True, field_transformer=checks.with_checks)
class Objective:
    """The loss that training minimizes; by default Eq. 4 at a constant λ."""

    SECTION: ClassVar[str] = "objective"

    loss: str = attrs.field(
        default="joint", metadata=checked(checks.choice, OBJECTIVES, quiet=True)
    )
    """"joint", or a related loss: see the manual, "Objectives"."""
    drop: float = attrs.field(default=0.0, metadata=checked(_drop, quiet=True))
    """Probability with which a member is dropped from the loss of an example in a training step."""
    lam_schedule: str = attrs.field(
        default="constant", metadata=checked(checks.choice, SCHEDULES, quiet=True)
    )
    """How λ changes from `lam_start` to the λ of the lane: "constant" (not at all), "linear",
    "cosine" or "step"."""
    lam_start: float = attrs.field(default=0.0, metadata=checked(weight, quiet=True))
    """λ in the first epoch of a schedule."""
    lam_epochs: int = attrs.field(default=0, metadata=checked(checks.integer, 0, quiet=True))
    """Epoch in which the schedule reaches the λ of the lane; 0 is the last epoch. With "step", the
    last epoch at `lam_start`."""

    def __attrs_post_init__(self) -> None:
        check_schedule("objective.lam", self.lam_schedule, self.lam_start, self.lam_epochs, "λ")

    def check_with(self, lam: Iterable[float], combiner: str) -> None:
        """Reject λs and combiners for which the objective is not defined."""
        joint = self.loss in JOINT
        if not joint and combiner != "logits":
            raise RecipeError(
                f"combiner is {combiner!r} and objective.loss is {self.loss!r}, which is defined "
                "for averaged logits; use combiner = 'logits', or objective.loss = 'joint'."
            )
        if not joint and self.drop:
            raise RecipeError(
                f"objective.drop is {self.drop:g} and objective.loss is {self.loss!r}; "
                "members can be dropped from the joint loss only."
            )
        required = COUPLED.get(self.loss)
        if required is not None and (list(lam) != [required] or self.lam_schedule != "constant"):
            raise RecipeError(
                f"objective.loss is {self.loss!r}, which is the joint loss at λ = "
                f"{lam_text(required)}; "
                f"set lam = {lam_text(required)}, without objective.lam_schedule."
            )

    def lam_at(self, lam: float, epoch: int, epochs: int) -> float:
        """Return the λ of the training loss in an epoch (1 is the first).

        Args:
            lam: λ of the lane, which every schedule reaches.
            epoch: Epoch 0, before training, has the λ of epoch 1.
            epochs: Number of epochs of the run.
        """
        last = self.lam_epochs or epochs
        return value_at(self.lam_schedule, self.lam_start, lam, last, epoch)
