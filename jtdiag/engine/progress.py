"""What the engine tells while it trains; whoever listens decides how it looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Size


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is about to run."""

    recipe: Recipe
    path: Path
    size: Size
    parameters: int
    """Parameters of all members together."""
    settings: dict[str, str]
    """Device, threads, lanes and versions."""
    lanes_done: int
    """Lanes that a run to be resumed has done already."""
    epochs_to_train: int
    """Epochs summed over the lanes that are left to train; epoch 0 does not count."""


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch of one lane, as it leaves the device."""

    lane: Lane
    epoch: int
    train_loss: float
    """Running mean of the joint-training loss, nats."""
    ensemble_error: float
    """On the validation split, or on the test split where none is held out."""
    stopped: str = ""
    """Rule that ended the lane with this epoch."""
    lowered: str = ""
    """Rule on which λ is lowered from the next epoch on."""


class Listener(Protocol):
    """Hears of a run; nothing it does changes a number."""

    def begin(self, plan: Plan) -> None:
        """Hear what is about to run, before anything is written."""

    def epoch(self, report: EpochReport) -> None:
        """Hear that an epoch of a lane has been handed to the writer."""

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Hear what a rule says of a lane, once; its epoch is heard of next."""


class Silent:
    """Hears nothing."""

    def begin(self, plan: Plan) -> None:
        """Do nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Do nothing."""

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Do nothing."""
