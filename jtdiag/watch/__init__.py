"""Following runs while they train: epochs as they are sealed, and findings as they come."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jtdiag.errors import StoreError
from jtdiag.probing import findings as finding, results
from jtdiag.probing.contract import Options
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import RECIPE, Run
from jtdiag.watch.events import Appeared, Ended, Event, Happened, Sealed
from jtdiag.watch.folder import FolderWatch
from jtdiag.watch.one_run import RunWatch

__all__ = [
    "PATIENCE",
    "Ended",
    "Event",
    "FolderWatch",
    "Happened",
    "RunWatch",
    "Sealed",
    "ask_cheap_probes",
    "begin",
    "follow",
    "look_at",
    "wait_for",
]

PATIENCE = 30.0
"""Seconds to wait for a run that does not exist yet; the engine loads its data first."""


def begin(path: Path, patience: float = PATIENCE) -> RunWatch | FolderWatch:
    """Return what watches a run, or the runs below a folder, waiting for the folder to appear.

    Raises:
        JtdiagError: if there is nothing after `patience` seconds, or a run that cannot be read.
    """
    _wait_for(path, patience)
    if path.is_dir() and not (path / RECIPE).exists():
        return FolderWatch(path)
    return RunWatch(path, ask_cheap_probes)


def look_at(watched: RunWatch | FolderWatch) -> Iterator[Happened]:
    """Yield what has happened to a run, or to the runs of a folder, since the last look.

    Raises:
        JtdiagError: of a single run, if it cannot be read; in a folder that is an event.
    """
    if isinstance(watched, FolderWatch):
        yield from watched.look()
        return
    for event in watched.look():
        yield Happened(run=watched.path, what=event, old=watched.old)


def wait_for(path: Path, patience: float = PATIENCE) -> Run:
    """Return the run in a folder, waiting for it to appear.

    Raises:
        StoreError: if there is none after `patience` seconds, or the folder holds something else.
    """
    _wait_for(path, patience)
    return Run(path)


def _wait_for(path: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.2)


def follow(run: Run, interval: float = 0.5) -> Iterator[Event]:
    """Yield what happens in a run until it ends: sealed epochs, alerts at once, then the rest.

    After every look that finds new epochs the rules are asked of the lanes that have come
    further; when the run ends, the cheap probes are asked of its metrics. A finding is told once,
    and again only when further trials join it.

    Args:
        run: A run that trains, has trained, or has died.
        interval: Seconds between two looks.
    """
    watched = RunWatch(run.path, ask_cheap_probes)
    while True:
        yield from (event for event in watched.look() if not isinstance(event, Appeared))
        if watched.over:
            return
        time.sleep(interval)


def ask_cheap_probes(run: Run) -> list[Finding]:
    """Return what the cheap probes find in the metrics; record it where no fuller result stands."""
    found = []
    for probe in PROBES.all():
        if probe.cost != "cheap" or not probe.applies(run):
            continue
        judged = probe.judge(probe.ask(run, Options(metrics_only=True)))
        if not results.is_fresh(run, probe):
            with suppress(StoreError):  # a folder that is not ours to write can be watched
                finding.record(run.path, probe.name, judged)
        found += judged
    return found
