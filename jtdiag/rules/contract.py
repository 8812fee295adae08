"""The interface of early-warning rules: a lane's metrics, a rule, and its verdict.

Rules know neither runs nor probes, so the engine, the probe `alerts`, `jtdiag watch` and a monitor
in a user's own training loop all evaluate the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jtdiag.names import DISPLACEMENT, LAM, METRIC_VARIABLES
from jtdiag.rules.module_history import ModuleHistory, changed, paired

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class History:
    """Training metrics of one lane up to an epoch: E epochs, M members."""

    epoch: NDArray[np.integer[Any]]
    """(E,), ascending; 0 is before training."""
    member_error: Floats
    """(E, M), in the family's error measure; for classes, the fraction of wrong predictions."""
    member_loss: Floats
    """(E, M), nats."""
    ensemble_error: Floats
    """(E,)"""
    ensemble_loss: Floats
    """(E,), nats."""
    chance_error: float
    """Chance-level error, of the best constant prediction: for classes, 1 minus the relative
    frequency of the most frequent class in the training set."""
    chance_loss: float | None = None
    """Chance-level loss, nats: for classes, the entropy of their frequencies in the training set;
    None if unknown."""
    examples: int | None = None
    """Training examples in which wrong predictions were counted; None if unknown, or if errors are
    no fractions of wrong predictions."""
    displacement: Floats | None = None
    """(E, M), distance of a member's parameters from initialization; NaN or None if unknown."""
    lam: Floats | None = None
    """(E,), λ with which each epoch was trained; None if the loss may be another than Eq. 4."""

    head_from: int = 0
    """Number of epochs in which the heads are not trained yet, if modules are trained one after the
    other: errors say nothing before."""
    modules: ModuleHistory | None = None
    """What was measured module by module; None if members are trained as a whole."""

    @property
    def members(self) -> int:
        """Number of members M."""
        return self.member_error.shape[1]

    @property
    def last(self) -> int:
        """Last epoch of the history."""
        return int(self.epoch[-1])

    @property
    def last_lam(self) -> float | None:
        """λ with which the last epoch was trained; None if unknown."""
        return None if self.lam is None else float(self.lam[-1])

    @property
    def joint(self) -> bool:
        """Whether members are trained jointly, or may be; False if λ is 0."""
        return self.last_lam != 0

    @property
    def level(self) -> Literal["info", "alert"]:
        """Level of verdicts on the failure of joint training: "info" without joint training."""
        return "alert" if self.joint else "info"

    @property
    def diversity(self) -> Floats:
        """Mean member loss minus ensemble loss, (E,), nats: the diversity of Eq. 5."""
        return self.member_loss.mean(1) - self.ensemble_loss

    def until(self, epoch: int) -> "History":
        """Return the history up to and including an epoch.

        Raises:
            ValueError: if the history starts later.
        """
        count = int(np.searchsorted(self.epoch, epoch, side="right"))
        if not count:
            raise ValueError(f"epoch is {epoch}; the history starts at {self.epoch[0]}.")
        return self._select(slice(count))  # without copies: rules judge every epoch of long runs

    def with_heads(self) -> "History | None":
        """Return the epochs since the heads are trained, counted from there; None before."""
        if not self.head_from:
            return self
        if self.last <= self.head_from:
            return None
        since = self._select(slice(int(np.searchsorted(self.epoch, self.head_from)), None))
        return replace(since, epoch=since.epoch - self.head_from, head_from=0)

    def measured(self) -> "History | None":
        """Return the epochs with measurements, or None if there are none.

        A training loop that jtdiag does not run measures nothing before its first epoch.
        """
        mask = ~(np.isnan(self.ensemble_loss) & np.isnan(self.ensemble_error))
        return self._select(mask) if mask.any() else None

    def mapped(self, change: Callable[[Floats], Floats]) -> "History":
        """Return the history with every array (E, …) replaced by what a function makes of it."""
        modules = None if self.modules is None else self.modules.mapped(change)
        return replace(self, **changed(self._arrays(), change), modules=modules)

    def combined(self, other: "History", both: Callable[[Floats, Floats], Floats]) -> "History":
        """Return the history with what a function makes of the arrays of two of the same lane.

        Arrays that either lacks are unknown; all else is as here.
        """
        modules = None
        if self.modules is not None and other.modules is not None:
            modules = self.modules.combined(other.modules, both)
        return replace(self, **paired(self._arrays(), other._arrays(), both), modules=modules)

    def _select(self, mask: NDArray[np.bool_] | slice) -> "History":
        return self.mapped(lambda array: array[mask])

    def _arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ARRAYS}


ARRAYS = ("epoch", *METRIC_VARIABLES, DISPLACEMENT, LAM)
"""Fields of a `History` that are arrays by epoch, next to those of its modules."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The output of a rule that fires on a lane after an epoch."""

    rule: str
    level: Literal["info", "alert"]
    epoch: int
    number: float
    """The number that was compared; finite."""
    limit: float
    observation: str
    """What was measured, with its numbers. It follows "after epoch 3, " in a sentence, so it has
    no capital and no full stop."""
    advice: str
    """What to do or compare with next, in complete sentences."""
    members: tuple[int, ...] = ()
    """Members concerned; empty for rules about the ensemble."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An early-warning rule: it compares one number of a lane with a limit."""

    name: str
    """As in recipes and on the command line; the same as the name of its entry point."""
    compares: str
    """The number and the condition under which it is compared, for documentation."""
    limit: float
    score: Callable[[History], float]
    """Return the number after the last epoch; NaN if it is not defined."""
    judge: Callable[[History], Verdict | None]
    """Return a verdict if the rule fires after the last epoch, else None."""
    needs_heads: bool = True
    """Whether the rule waits until the heads are trained, if modules are trained one after the
    other; epochs are counted from there then."""
