"""Events of a run that is being watched."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane

State = Literal["training", "silent", "done", "dead"]
"""State of a run.

"silent": the training process is running but has saved no epoch for much longer than usual.
"dead": the training process exited before the run was complete.
"""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Training errors of a lane after an epoch; fractions in the family's error measure."""

    ensemble: float
    median: float
    """Error of the median member."""
    best: float
    """Error of the best member."""
    leader: int
    """Index of the member with the lowest error; ties are broken by the lowest loss."""


@dataclass(frozen=True, kw_only=True)
class Appeared:
    """A run is seen for the first time; the epochs it has already saved follow."""

    state: State
    lanes: int
    epochs: int
    """Epochs per lane, from the recipe."""
    members: int


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A lane has saved an epoch."""

    lane: Lane
    epoch: int
    epochs: int = field(default=0, compare=False)
    """Epochs per lane, from the recipe."""
    lam: float = field(default=float("nan"), compare=False)
    """λ of the lane, from the recipe."""
    lam_at: float = field(default=float("nan"), compare=False)
    """λ that the epoch was trained with."""
    errors: Errors | None = field(default=None, compare=False)
    done: bool = field(default=False, compare=False)
    stopped: str = field(default="", compare=False)
    """Name of the rule that stopped the lane after this epoch."""


@dataclass(frozen=True, kw_only=True)
class Stalled:
    """The training process is running but has saved no epoch for much longer than usual."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """A run whose training process had exited is training again."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The run is complete, or its training process exited early; no more events will follow."""

    done: bool


@dataclass(frozen=True, kw_only=True)
class Gone:
    """The run's folder no longer exists."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A run cannot be read, or its findings cannot be written; watching continues."""

    what: str
    """The problem and how to fix it, in one line."""


Event = Appeared | Sealed | Finding | Stalled | Resumed | Ended | Gone | Trouble


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """An event and the run that it belongs to."""

    run: Path
    event: Event
    old: bool = False
    """True for events of a run that had already ended when it was first seen."""
