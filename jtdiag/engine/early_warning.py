"""Early warning during training: evaluate the rules after every epoch and act on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules import VerdictLog
from jtdiag.rules.contract import History, Verdict
from jtdiag.rules.growing import GrowingHistory
from jtdiag.rules.module_history import METRICS, ModuleHistory
from jtdiag.store.lanes import NO_ACTION, Lane, RuleAction

Row = dict[str, NDArray[np.float64]]
"""Training metrics of one lane after one epoch, (M, modules), (M,) or () each, by name."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Rules that fired on a lane after an epoch, and what they do to it."""

    verdicts: tuple[Verdict, ...] = ()
    """Of rules that fire on this lane for the first time."""
    action: RuleAction = NO_ACTION


class EarlyWarning:
    """Follows the training metrics of lanes. Every rule fires at most once per lane."""

    def __init__(
        self,
        recipe: Recipe,
        chance_error: float,
        chance_loss: float | None,
        examples: int | None,
        modules: Sequence[str] = (),
    ) -> None:
        self._recipe, self._modules = recipe, modules
        self._chance_error, self._chance_loss = chance_error, chance_loss
        self._examples = examples
        self._history: dict[Lane, GrowingHistory] = {}
        self._log = VerdictLog[Lane]()

    def restore(self, lane: Lane, history: History) -> None:
        """Load the sealed history of a lane; rules that fired during it do not fire again."""
        self._history[lane] = self._growing(history)
        self._log.replay(lane, history)

    def judge(self, lane: Lane, epoch: int, row: Row, lam: float) -> Decision:
        """Evaluate the rules after an epoch and return which fire and what follows."""
        verdicts = self._log.judge(lane, self._extended(lane, epoch, row, lam))
        fired = {verdict.rule for verdict in verdicts}
        alerts = self._recipe.alerts
        lower = alerts.lower_lam < lam
        action = RuleAction(
            stopped=next((name for name in alerts.stop_on if name in fired), ""),
            lowered=next((name for name in alerts.lower_on if lower and name in fired), ""),
        )
        return Decision(verdicts=tuple(verdicts), action=action)

    def _extended(self, lane: Lane, epoch: int, row: Row, lam: float) -> History:
        """Append an epoch to the history of a lane; discard that epoch and later ones first."""
        new = self._row(epoch, row, lam)
        before = self._history.get(lane)
        if before is None or before.history.epoch[0] >= epoch:
            before = self._history[lane] = self._growing(new)
        else:
            before.add(new)
        return before.history

    def _growing(self, start: History) -> GrowingHistory:
        return GrowingHistory(start, self._recipe.train.epochs + 1)  # epoch 0 is before training

    def _row(self, epoch: int, row: Row, lam: float) -> History:
        displacement = row.get(names.DISPLACEMENT)
        return History(
            epoch=np.array([epoch]),
            **{name: row[name][None] for name in names.METRIC_VARIABLES},
            chance_error=self._chance_error,
            chance_loss=self._chance_loss,
            examples=self._examples,
            displacement=None if displacement is None else displacement[None],
            lam=np.array([lam]),
            head_from=self._recipe.modules.head_from,
            modules=ModuleHistory.of(
                self._modules,
                {name: row[name][None] for name in METRICS if name in row},
                self._recipe.modules.warmup,
            ),
        )
