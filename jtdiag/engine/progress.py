"""Events that training reports to a listener, such as a progress display."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import NO_ACTION, Lane, RuleAction, lanes_of
from jtdiag.store.layout import Size


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will compute and write."""

    recipe: Recipe
    path: Path
    size: Size
    parameters: int
    """Parameters of all members together."""
    settings: dict[str, str]
    """Device, threads, lanes per group, and versions."""
    lanes_done: int
    """Lanes that are already done in a run to be resumed."""
    epochs_to_train: int
    """Epochs left to train, summed over lanes; epoch 0 does not count."""
    part: str = ""
    """Part of the run that this process trains, such as "3/16"; empty if it trains all of it."""
    part_lanes: tuple[Lane, ...] = ()
    """The lanes of that part."""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Lanes that this process trains."""
        return self.part_lanes if self.part else tuple(lanes_of(self.recipe))


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """Results of one epoch of one lane."""

    lane: Lane
    epoch: int
    train_loss: float
    """Running mean of the joint-training loss, nats."""
    ensemble_error: float
    """On the validation split, or on the test split if there is none."""
    action: RuleAction = NO_ACTION
    """What rules did to the lane after this epoch."""
    module: str = ""
    """Module that the epoch trained, if modules are trained one after the other."""

    @property
    def stopped(self) -> str:
        """Rule that stopped the lane after this epoch; "" if none did."""
        return self.action.stopped

    @property
    def lowered(self) -> str:
        """Rule that lowered λ from the next epoch on; "" if none did."""
        return self.action.lowered


class Listener(Protocol):
    """Receives the events of a run. It cannot influence the training."""

    def begin(self, plan: Plan) -> None:
        """Handle the start of a run, before anything is trained."""

    def epoch(self, report: EpochReport) -> None:
        """Handle an epoch of a lane; it has been queued for writing."""

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Handle a rule that fires on a lane; the report on its epoch follows."""


class NullListener:
    """Ignores all events. Subclass it to handle some of them."""

    def begin(self, plan: Plan) -> None:
        """Do nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Do nothing."""

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Do nothing."""
