"""What can happen to a run that is watched."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane

State = Literal["training", "silent", "done", "dead"]
"""Of a run. silent: an engine has it in hand and seals nothing; dead: not done, and no engine."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Training errors of a lane after an epoch; fractions in the family's measure."""

    ensemble: float
    median: float
    """Of the median member."""
    best: float
    """Of the leader."""
    leader: int
    """Member with the lowest error, of equals the one with the lowest loss."""


@dataclass(frozen=True, kw_only=True)
class Appeared:
    """A run is seen for the first time; what it had sealed before follows."""

    state: State
    lanes: int
    epochs: int
    """Of each lane, by the recipe."""
    members: int


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A lane has come to this epoch."""

    lane: Lane
    epoch: int
    epochs: int = field(default=0, compare=False)
    """That the recipe has."""
    lam: float = field(default=float("nan"), compare=False)
    """The lane's, by the recipe."""
    lam_at: float = field(default=float("nan"), compare=False)
    """With which the epoch was trained."""
    errors: Errors | None = field(default=None, compare=False)
    done: bool = field(default=False, compare=False)
    stopped: str = field(default="", compare=False)
    """Rule that ended the lane here."""


@dataclass(frozen=True, kw_only=True)
class Silent:
    """The engine is there and has sealed nothing for far longer than it usually takes."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """A run that was dead trains again."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Nothing more will come: the run is done, or whoever trained it is gone."""

    done: bool


@dataclass(frozen=True, kw_only=True)
class Gone:
    """The run's folder is no longer there."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A run cannot be read, or its findings cannot be kept in its folder; the watch goes on."""

    what: str
    """One line: what is, and what to do."""


Event = Appeared | Sealed | Finding | Silent | Resumed | Ended | Gone | Trouble


@dataclass(frozen=True, kw_only=True)
class Happened:
    """An event, and the run that it happened to."""

    run: Path
    what: Event
    old: bool = False
    """True for what a run tells that was over when it was first seen."""
