"""What is known of an epoch of which a part was counted, and which rules that part settles."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.monitor.batch_sums import Metrics
from jtdiag.rules import divergence
from jtdiag.rules.contract import History

CLEAR = 3.0
"""Standard errors by which a sampled number must differ for a rule that hangs on the difference."""
OF_SKILL = ("dominance", "codependence")
"""Rules whose number is a share of the ensemble's skill."""


@dataclass(frozen=True, kw_only=True)
class MeasuredEpoch:
    """Training metrics of one epoch, and how far to trust them."""

    epoch: int
    means: Metrics
    """Losses in nats and errors in the family's measure, of members (M,) and ensemble ()."""
    standard_errors: Metrics
    """Of the means, about those over all batches of the epoch; 0 where all are counted."""
    examples: int
    """Counted."""
    counted: int
    """Batches counted."""
    batches: int
    """Batches that the epoch had."""
    lam: float | None = None
    """λ with which it was trained; None where the loss is not known to be Eq. 4."""
    displacement: NDArray[np.float64] | None = None
    """(M,), where parameters are watched."""

    @property
    def doubt(self) -> str:
        """A remark on the sample, for a sentence; empty where every batch is counted."""
        if self.counted == self.batches:
            return ""
        worst = np.max(self.standard_errors[names.MEMBER_ERROR], initial=0.0)
        about = f", errors to ±{100 * worst:.1g} points" if np.isfinite(worst) else ""
        return f" (Counted: {self.counted} of {self.batches} batches{about}.)"


def settled(wanted: Iterable[str], history: History, epochs: Sequence[MeasuredEpoch]) -> list[str]:
    """Return those of the rules that can be asked: less those whose number is left open.

    Where every batch is counted all can. Members are compared once the ensemble beats a guess
    beyond the sample's doubt, and a loss grows when it grows by more than that.
    """
    left_open = [] if _skill_is_clear(history, epochs[-1]) else [*OF_SKILL]
    left_open += [] if _growth_is_clear(history, epochs) else [divergence.RULE.name]
    return [name for name in wanted if name not in left_open]


def _skill_is_clear(history: History, last: MeasuredEpoch) -> bool:
    doubt = last.standard_errors[names.ENSEMBLE_ERROR]
    return bool(history.chance_error - history.ensemble_error[-1] > CLEAR * doubt)


def _growth_is_clear(history: History, epochs: Sequence[MeasuredEpoch]) -> bool:
    losses = divergence.objective(history)[-2:]
    everything = [losses, history.member_loss[-1], history.ensemble_loss[-1:]]
    if len(losses) < 2 or not np.isfinite(np.concatenate(everything)).all():
        return True
    doubts = [_loss_doubt(one) for one in epochs[-2:]]
    return bool(losses[1] - losses[0] > CLEAR * math.hypot(*doubts))


def _loss_doubt(epoch: MeasuredEpoch) -> float:
    """Return the standard error, or more, of any mixture of the ensemble's and members' losses."""
    errors = epoch.standard_errors
    return float(max(errors[names.ENSEMBLE_LOSS], errors[names.MEMBER_LOSS].mean()))
