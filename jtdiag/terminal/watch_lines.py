"""What is watched as lines for a log: a sentence for each event, or a JSON object."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from jtdiag.probing.findings import Finding
from jtdiag.terminal.findings import print_finding
from jtdiag.terminal.watch_page import counted, duration, percent
from jtdiag.watch.events import (
    Appeared,
    Ended,
    Gone,
    Happened,
    Resumed,
    Sealed,
    Silent,
    Trouble,
)

KINDS: Mapping[type, str] = {
    Appeared: "run",
    Sealed: "epoch",
    Finding: "finding",
    Silent: "silent",
    Resumed: "resumed",
    Ended: "ended",
    Gone: "gone",
    Trouble: "trouble",
}
"""What an event is called in JSON."""


class Lines:
    """Nothing is drawn between events."""

    def take(self, happened: Happened) -> None:
        """Pass an event over."""

    def draw(self) -> None:
        """Do nothing: lines are printed as events come."""


class PlainLines(Lines):
    """One line an event."""

    def __init__(self, console: Console, name: Callable[[Path], str] | None = None) -> None:
        """Take what runs are called in front of a line, None where there is only one."""
        self._console, self._name = console, name

    def take(self, happened: Happened) -> None:
        """Print an event."""
        before = f"{self._name(happened.run)}: " if self._name else ""
        if isinstance(happened.what, Finding):
            print_finding(self._console, happened.what, before)
        else:
            said = sentence(happened)
            if before or isinstance(happened.what, Sealed | Silent | Trouble):
                click.echo(before + said)


class JsonLines(Lines):
    """One JSON object an event, with its time and its run."""

    def take(self, happened: Happened) -> None:
        """Print an event."""
        click.echo(json.dumps(as_json(happened), ensure_ascii=False, allow_nan=False))


def sentence(happened: Happened) -> str:
    """Return an event that is no finding in words."""
    said = ""
    match happened.what:
        case Sealed() as what:
            said = _sealed(what)
        case Appeared() as what:
            size = f"{counted(what.lanes, 'lane')} of {counted(what.epochs, 'epoch')}"
            said = f"{what.state}; {size}, {counted(what.members, 'member')}"
        case Silent() as what:
            said = f"silent for {duration(what.seconds)}: the engine is there, and seals nothing"
        case Resumed():
            said = "trains again"
        case Ended() as what:
            dead = "dead: the engine is gone before the run was done"
            said = "done" if what.done else dead
        case Gone():
            said = "the folder is gone"
        case Trouble() as what:
            said = what.what
    return said


def _sealed(what: Sealed) -> str:
    said = f"λ = {what.lam:g}, trial {what.lane.trial}: epoch {what.epoch} is sealed"
    if what.errors is not None:
        ensemble, median = percent(what.errors.ensemble), percent(what.errors.median)
        said += f"; training error {ensemble} (ensemble), {median} (median member)"
    return f"{said}; stopped here on {what.stopped}" if what.stopped else said


def as_json(happened: Happened, now: datetime | None = None) -> dict[str, Any]:
    """Return an event as plain values: ``time``, ``run``, ``event``, and what belongs to it.

    Numbers that are not finite become None.
    """
    at = (now or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    what = happened.what
    found: dict[str, Any] = {"time": at, "run": str(happened.run), "event": KINDS[type(what)]}
    values = dataclasses.asdict(what)
    if isinstance(what, Sealed):
        values = _flat(what)
    return found | {name: _finite(value) for name, value in values.items()}


def _flat(what: Sealed) -> dict[str, Any]:
    errors = what.errors
    return {
        "lam": what.lam,
        "lam_at": what.lam_at,
        "trial": what.lane.trial,
        "epoch": what.epoch,
        "epochs": what.epochs,
        "ensemble_error": errors and errors.ensemble,
        "median_error": errors and errors.median,
        "best_error": errors and errors.best,
        "leader": errors and errors.leader,
        "done": what.done,
        "stopped": what.stopped,
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
