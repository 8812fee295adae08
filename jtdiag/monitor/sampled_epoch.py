"""Training metrics estimated from a sample of an epoch's batches, and the rules they can decide."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.monitor import wording
from jtdiag.monitor.batch_sums import Metrics
from jtdiag.rules import divergence
from jtdiag.rules.contract import History

SIGNIFICANT = 3.0
"""Standard errors by which a sampled difference must exceed 0 before a rule may rely on it."""
SKILL_RULES = ("dominance", "codependence")
"""Rules that compare a share of the ensemble's skill."""


@dataclass(frozen=True, kw_only=True)
class SampledEpoch:
    """Training metrics of one epoch with their standard errors."""

    epoch: int
    means: Metrics
    """Losses in nats and errors in the family's measure, of members (M,) and ensemble ()."""
    standard_errors: Metrics
    """Standard errors of the means with respect to the whole epoch; 0 if all batches count."""
    examples: int
    """Examples in the sample."""
    counted: int
    """Batches in the sample."""
    batches: int
    """Batches of the epoch."""
    lam: float | None = None
    """λ with which the epoch was trained; None if the loss may be another than Eq. 4."""
    displacement: NDArray[np.float64] | None = None
    """(M,), distances from initialization; None if parameters are not watched."""

    @property
    def note(self) -> str:
        """A sentence about the sample; empty if all batches count."""
        error_se = np.max(self.standard_errors[names.MEMBER_ERROR], initial=0.0)
        return wording.sampling_note(
            counted=self.counted, batches=self.batches, error_se=float(error_se)
        )


def decidable(
    rule_names: Iterable[str], history: History, epochs: Sequence[SampledEpoch]
) -> list[str]:
    """Return the rules whose comparison the sample is large enough to decide.

    All rules are, if all batches count. Otherwise, members are compared once the ensemble is
    significantly better than chance, and a loss increases only if it does so significantly.
    """
    undecided = [] if _ensemble_has_skill(history, epochs[-1]) else [*SKILL_RULES]
    undecided += [] if _loss_change_is_decidable(history, epochs) else [divergence.RULE.name]
    return [name for name in rule_names if name not in undecided]


def _ensemble_has_skill(history: History, last: SampledEpoch) -> bool:
    se = last.standard_errors[names.ENSEMBLE_ERROR]
    return bool(history.chance_error - history.ensemble_error[-1] > SIGNIFICANT * se)


def _loss_change_is_decidable(history: History, epochs: Sequence[SampledEpoch]) -> bool:
    losses = divergence.objective(history)[-2:]
    all_losses = [losses, history.member_loss[-1], history.ensemble_loss[-1:]]
    if len(losses) < 2 or not np.isfinite(np.concatenate(all_losses)).all():
        return True
    errors = [_loss_error(epoch) for epoch in epochs[-2:]]
    return bool(losses[1] - losses[0] > SIGNIFICANT * math.hypot(*errors))


def _loss_error(epoch: SampledEpoch) -> float:
    """Return an upper bound of the standard error of any mixture of ensemble and member losses."""
    errors = epoch.standard_errors
    return float(max(errors[names.ENSEMBLE_LOSS], errors[names.MEMBER_LOSS].mean()))
