"""Print watch events for a log: one sentence or one JSON object per event."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jtdiag.probing.findings import Finding
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.echo import echo
from jtdiag.terminal.findings import print_finding
from jtdiag.terminal.plain_values import finite, json_line, plain_values
from jtdiag.watch.events import (
    Appeared,
    Ended,
    Event,
    Gone,
    Resumed,
    RunEvent,
    Sealed,
    Stalled,
    Trouble,
)

KINDS: Mapping[type, str] = {
    Appeared: "run",
    Sealed: "epoch",
    Finding: "finding",
    Stalled: "silent",
    Resumed: "resumed",
    Ended: "ended",
    Gone: "gone",
    Trouble: "trouble",
}
"""Names of the events in JSON."""


class Lines:
    """Displays nothing."""

    def take(self, run_event: RunEvent) -> None:
        """Ignore an event."""

    def draw(self) -> None:
        """Do nothing: lines are printed as events arrive."""


class PlainLines(Lines):
    """Prints one line per event."""

    def __init__(self, console: Console, name: Callable[[Path], str] | None = None) -> None:
        """Set the function that names a run at the start of a line; None for a single run."""
        self._console, self._name = console, name

    def take(self, run_event: RunEvent) -> None:
        """Print an event."""
        event = run_event.event
        prefix = f"{self._name(run_event.run)}: " if self._name else ""
        if isinstance(event, Finding):
            print_finding(self._console, event, prefix)
        elif prefix or isinstance(event, Sealed | Stalled | Trouble):
            echo(prefix + sentence(event))


class JsonLines(Lines):
    """Prints one JSON object per event, with its time and its run."""

    def take(self, run_event: RunEvent) -> None:
        """Print an event."""
        echo(json_line(as_json(run_event)))


def sentence(event: Event) -> str:
    """Return an event in words."""
    match event:
        case Sealed():
            text = _sealed(event)
        case Appeared():
            text = wording.run_appeared(event.state, event.lanes, event.epochs, event.members)
        case Stalled():
            text = wording.stalled(event.seconds)
        case Resumed() | Ended() | Gone():
            text = _state_change(event)
        case Finding():
            text = event.sentence
        case Trouble():
            text = event.what
    return text


def _state_change(event: Resumed | Ended | Gone) -> str:
    if isinstance(event, Ended):
        return wording.ended(done=event.done)
    return wording.resumed() if isinstance(event, Resumed) else wording.removed()


def _sealed(event: Sealed) -> str:
    errors = None if event.errors is None else (event.errors.ensemble, event.errors.median)
    line = wording.epoch_saved(event.lam, event.lane.trial, event.epoch, errors)
    return line + wording.stopped(event.stopped) if event.stopped else line


def as_json(run_event: RunEvent, now: datetime | None = None) -> dict[str, Any]:
    """Return an event as plain values: ``time``, ``run``, ``event`` and its own fields.

    Numbers that are not finite become None.
    """
    time = (now or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = run_event.event
    values = finite(_flat(event)) if isinstance(event, Sealed) else plain_values(event)
    return {"time": time, "run": str(run_event.run), "event": KINDS[type(event)], **values}


def _flat(event: Sealed) -> dict[str, Any]:
    errors = event.errors
    return {
        "lam": event.lam,
        "lam_at": event.lam_at,
        "trial": event.lane.trial,
        "epoch": event.epoch,
        "epochs": event.epochs,
        "ensemble_error": errors and errors.ensemble,
        "median_error": errors and errors.median,
        "best_error": errors and errors.best,
        "leader": errors and errors.leader,
        "done": event.done,
        "stopped": event.stopped,
    }
