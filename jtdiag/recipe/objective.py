"""[objective] of a recipe: which function training descends, and how λ moves while it does."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from jtdiag.errors import RecipeError
from jtdiag.recipe import checks as check

JOINT = ("joint", "gncl-upper", "jensen-gap")
"""Names of Eq. 4 of Webb et al. 2020: its own, Buschjäger et al.'s (2020) for the upper bound of
their GNCL, and Abe et al.'s (2022), whose weight of the Jensen gap is γ = 1 − λ."""
COUPLED = {"coupled-fc": 1.0, "coupled-sm": 0.0, "coupled-ll": 0.0}
"""Losses of Dutt et al. 2017, and the λ at which Eq. 4 is the same."""
OBJECTIVES = (*JOINT, "gncl-exact", *COUPLED)
SCHEDULES = ("constant", "linear", "cosine", "step")
QUIET = {"quiet": True}
"""Marks a field that a recipe's TOML leaves out at its default, which therefore never changes:
recipes written before the field was known keep their hash."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Which function training descends; by default Eq. 4 at the lane's own λ throughout."""

    loss: str = field(default="joint", metadata=QUIET)
    """"joint", or a related loss: see the manual, "Objectives"."""
    drop: float = field(default=0.0, metadata=QUIET)
    """Probability with which a member is left out of an example's loss in a training step."""
    lam_schedule: str = field(default="constant", metadata=QUIET)
    """How λ moves from `lam_start` to the lane's own: "constant" (not at all), "linear", "cosine"
    or "step"."""
    lam_start: float = field(default=0.0, metadata=QUIET)
    """λ of the first epoch, where a schedule moves it."""
    lam_epochs: int = field(default=0, metadata=QUIET)
    """The epoch in which λ arrives; 0 is the last. With "step", the last one at `lam_start`."""

    def __post_init__(self) -> None:
        check.choice("objective.loss", self.loss, OBJECTIVES)
        check.choice("objective.lam_schedule", self.lam_schedule, SCHEDULES)
        drop = check.number("objective.drop", self.drop, 0, 1)
        if drop == 1:
            raise RecipeError("objective.drop is 1; it must be below 1, or nobody is left.")
        object.__setattr__(self, "drop", drop)
        object.__setattr__(self, "lam_start", weight("objective.lam_start", self.lam_start))
        check.integer("objective.lam_epochs", self.lam_epochs, 0)
        if self.lam_schedule == "step" and self.lam_epochs == 0:
            raise RecipeError(
                "objective.lam_schedule is 'step' and objective.lam_epochs 0; "
                "say after which epoch λ steps."
            )
        for name in ("lam_start", "lam_epochs"):
            if self.lam_schedule == "constant" and getattr(self, name):
                raise RecipeError(
                    f"objective.{name} is {getattr(self, name):g} and objective.lam_schedule is "
                    "'constant'; name a schedule, or leave it out."
                )

    def check_with(self, lam: Iterable[float], combiner: str) -> None:
        """Refuse λs and combiners for which the objective is not defined."""
        plain = self.loss in JOINT
        if not plain and combiner != "logits":
            raise RecipeError(
                f"combiner is {combiner!r} and objective.loss {self.loss!r}, which is defined for "
                "averaged logits; use combiner = 'logits', or objective.loss = 'joint'."
            )
        if not plain and self.drop:
            raise RecipeError(
                f"objective.drop is {self.drop:g} and objective.loss {self.loss!r}; "
                "members are dropped from the joint loss only."
            )
        own = COUPLED.get(self.loss)
        if own is not None and (list(lam) != [own] or self.lam_schedule != "constant"):
            raise RecipeError(
                f"objective.loss is {self.loss!r}, which is the joint loss at λ = {own:g}; "
                f"set lam = {own:g}, and no objective.lam_schedule."
            )

    def lam_at(self, lam: float, epoch: int, epochs: int) -> float:
        """Return the λ that training descends with during an epoch (1 is the first).

        Args:
            lam: The lane's own λ, at which every schedule arrives.
            epoch: 0, before training, counts as the first.
            epochs: Epochs of the whole run.
        """
        if self.lam_schedule == "constant":
            return lam
        until = self.lam_epochs or epochs
        if self.lam_schedule == "step":
            return self.lam_start if epoch <= until else lam
        done = min(1.0, max(0, epoch - 1) / max(1, until - 1))
        if self.lam_schedule == "cosine":
            done = (1 - math.cos(math.pi * done)) / 2
        return lam if done == 1 else self.lam_start + (lam - self.lam_start) * done


def weight(where: str, value: object) -> float:
    """Return a λ in [0, 1]; beyond 1 the reason for the refusal is said."""
    beyond = isinstance(value, int | float) and not isinstance(value, bool)
    if beyond and 1 < float(value) < math.inf:  # type: ignore[arg-type]
        raise RecipeError(
            f"{where} is {value!r}; it must be a number in [0, 1]. Beyond 1 the joint loss has no "
            "lower bound (Gaussian members drift apart for ever), so that training diverges."
        )
    return check.number(where, value, 0, 1)
