"""Schedules of a weight over the epochs: λ of the members, and μ of the modules."""

import math

from jtdiag.errors import RecipeError

SCHEDULES = ("constant", "linear", "cosine", "step")


def check_schedule(field: str, schedule: str, start: float, epochs: int, symbol: str) -> None:
    """Check that the fields of a schedule belong together.

    Args:
        field: Name of the weight, such as "objective.lam"; its fields begin with it.
        schedule: One of `SCHEDULES`.
        start: Value in the first epoch.
        epochs: Epoch in which the schedule ends; 0 is the last one.
        symbol: Of the weight, for messages.

    Raises:
        RecipeError: if they do not.
    """
    if schedule == "step" and epochs == 0:
        raise RecipeError(
            f"{field}_schedule is 'step' and {field}_epochs is 0; "
            f"set the epoch after which {symbol} changes."
        )
    for name, value in (("start", start), ("epochs", epochs)):
        if schedule == "constant" and value:
            raise RecipeError(
                f"{field}_{name} is {value:g} and {field}_schedule is 'constant'; choose a "
                f"schedule, or omit {field.rpartition('.')[2]}_{name}."
            )


def value_at(schedule: str, start: float, end: float, last: int, epoch: int) -> float:
    """Return the value of a scheduled weight in an epoch (1 is the first).

    Args:
        schedule: One of `SCHEDULES`; "constant" is `end` in every epoch.
        start: Value in the first epoch, and in epoch 0, before training.
        end: Value at the end of the schedule.
        last: Epoch in which the schedule ends; with "step", the last epoch at `start`.
        epoch: The epoch.
    """
    if schedule == "constant":
        return end
    if schedule == "step":
        return start if epoch <= last else end
    progress = min(1.0, max(0, epoch - 1) / max(1, last - 1))
    if schedule == "cosine":
        progress = (1 - math.cos(math.pi * progress)) / 2
    return end if progress == 1 else start + (end - start) * progress
