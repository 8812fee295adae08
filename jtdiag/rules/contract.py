"""What a rule sees, what it is, and what it answers: arithmetic on one lane's training metrics.

Rules know neither runs nor probes, so that the engine, a probe, `jtdiag watch` and a monitor in
somebody's own loop all judge alike.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class History:
    """Training metrics of one lane up to an epoch: E epochs, M members."""

    epoch: NDArray[np.integer[Any]]
    """(E,), ascending; 0 is before training."""
    member_error: Floats
    """(E, M), fractions in the family's measure; for classes, fraction wrong."""
    member_loss: Floats
    """(E, M), nats."""
    ensemble_error: Floats
    """(E,)"""
    ensemble_loss: Floats
    """(E,), nats."""
    chance_error: float
    """Error without skill: 1 − 1/K for K classes of equal size."""
    chance_loss: float | None = None
    """Loss without skill, nats: ln K for K classes; None where nobody knows."""
    displacement: Floats | None = None
    """(E, M), distance of a member's parameters from where they began; NaN or None: unknown."""
    lam: Floats | None = None
    """(E,), λ with which each epoch was trained; None: the loss is not known to be Eq. 4."""

    @property
    def members(self) -> int:
        """Number of members M."""
        return self.member_error.shape[1]

    @property
    def last(self) -> int:
        """The epoch up to which is known."""
        return int(self.epoch[-1])

    @property
    def diversity(self) -> Floats:
        """Mean member loss minus ensemble loss, (E,), nats: the diversity of Eq. 5."""
        return self.member_loss.mean(1) - self.ensemble_loss

    def until(self, epoch: int) -> "History":
        """Return what was known after an epoch.

        Raises:
            ValueError: if nothing was.
        """
        known = self.epoch <= epoch
        if not known.any():
            raise ValueError(f"epoch is {epoch}; the history begins at {self.epoch[0]}.")
        return self._part(known)

    def measured(self) -> "History | None":
        """Return the epochs of which anything was measured; None where nothing was.

        A loop that jtdiag does not run measures nothing before it begins.
        """
        known = ~(np.isnan(self.ensemble_loss) & np.isnan(self.ensemble_error))
        return self._part(known) if known.any() else None

    def _part(self, known: NDArray[np.bool_]) -> "History":
        return replace(
            self,
            epoch=self.epoch[known],
            member_error=self.member_error[known],
            member_loss=self.member_loss[known],
            ensemble_error=self.ensemble_error[known],
            ensemble_loss=self.ensemble_loss[known],
            displacement=None if self.displacement is None else self.displacement[known],
            lam=None if self.lam is None else self.lam[known],
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rule says of one lane after an epoch."""

    rule: str
    level: Literal["info", "alert"]
    epoch: int
    number: float
    """What was compared; finite."""
    limit: float
    what: str
    """What is the case, with its numbers; the middle of a sentence, after "after epoch 3, "."""
    advice: str
    """What to do about it: a sentence."""
    members: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One comparison of a number with a limit."""

    name: str
    compares: str
    """What with what, for a page or a table."""
    limit: float
    score: Callable[[History], float]
    """The number after the last epoch; NaN where it cannot be told."""
    judge: Callable[[History], Verdict | None]
    """The verdict after the last epoch, None where the rule has nothing to say."""
