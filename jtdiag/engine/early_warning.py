"""The rules of the early warning at work in the engine: told as they speak, and acted upon."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import names, rules
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import History, Verdict
from jtdiag.store.lanes import Lane

Row = dict[str, NDArray[np.float64]]
"""Training metrics of one lane after one epoch, (M,) or () each, by name."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What rules say of a lane after an epoch, and what follows from it."""

    verdicts: tuple[Verdict, ...] = ()
    """Of rules that had not spoken of this lane before."""
    stopped: str = ""
    """Rule that ends the lane here."""
    lowered: str = ""
    """Rule on which λ is lowered from the next epoch on."""


class Supervision:
    """Follows the training metrics of lanes; every rule speaks once of a lane."""

    def __init__(self, recipe: Recipe, chance_error: float, classes: int | None) -> None:
        self._recipe = recipe
        self._chance_error = chance_error
        self._chance_loss = math.log(classes) if classes else None
        self._known: dict[Lane, History] = {}
        self._told: dict[Lane, set[str]] = {}

    def remember(self, lane: Lane, history: History) -> None:
        """Take over what is sealed of a lane; what rules have said of it is not told again."""
        self._known[lane] = history
        self._told[lane] = {verdict.rule for verdict in rules.first(history)}

    def judge(self, lane: Lane, epoch: int, row: Row, lam: float) -> Decision:
        """Return what the rules say after an epoch, and what the recipe makes of it."""
        history = self._extended(lane, epoch, row, lam)
        told = self._told.setdefault(lane, set())
        verdicts = rules.judge(history, [name for name in rules.NAMES if name not in told])
        spoke = {verdict.rule for verdict in verdicts}
        told |= spoke
        alerts = self._recipe.alerts
        lower = alerts.lower_lam < lam
        return Decision(
            verdicts=tuple(verdicts),
            stopped=next((name for name in alerts.stop_on if name in spoke), ""),
            lowered=next((name for name in alerts.lower_on if lower and name in spoke), ""),
        )

    def _extended(self, lane: Lane, epoch: int, row: Row, lam: float) -> History:
        """Append an epoch to what is known of a lane; epochs from there on are forgotten."""
        new = self._row(epoch, row, lam)
        before = self._known.get(lane)
        if before is not None and before.epoch[0] < epoch:
            new = _joined(before.until(epoch - 1), new)
        self._known[lane] = new
        return new

    def _row(self, epoch: int, row: Row, lam: float) -> History:
        moved = row.get(names.DISPLACEMENT)
        return History(
            epoch=np.array([epoch]),
            **{name: row[name][None] for name in names.METRIC_VARIABLES},
            chance_error=self._chance_error,
            chance_loss=self._chance_loss,
            displacement=None if moved is None else moved[None],
            lam=np.array([lam]),
        )


def _joined(before: History, new: History) -> History:
    arrays = (*names.METRIC_VARIABLES, names.DISPLACEMENT, names.LAM, names.EPOCH)
    parts = {name: (getattr(before, name), getattr(new, name)) for name in arrays}
    joined: dict[str, Any] = {
        name: None if a is None or b is None else np.concatenate([a, b])
        for name, (a, b) in parts.items()
    }
    return replace(new, **joined)
