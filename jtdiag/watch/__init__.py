"""Following runs while they train: epochs as they are sealed, and findings as they come."""

import time
from collections.abc import Iterator
from pathlib import Path

from jtdiag import finding, result
from jtdiag.finding import Finding
from jtdiag.probe_contract import Options
from jtdiag.registry import load_probes
from jtdiag.store import Run
from jtdiag.watch.events import Appeared, Ended, Event, Sealed
from jtdiag.watch.folder import FolderWatch
from jtdiag.watch.one_run import RunWatch

__all__ = [
    "PATIENCE",
    "Ended",
    "Event",
    "FolderWatch",
    "RunWatch",
    "Sealed",
    "ask_cheap_probes",
    "follow",
    "wait_for",
]

PATIENCE = 30.0
"""Seconds to wait for a run that does not exist yet; the engine loads its data first."""


def wait_for(path: Path, patience: float = PATIENCE) -> Run:
    """Return the run in a folder, waiting for it to appear.

    Raises:
        StoreError: if there is none after `patience` seconds, or the folder holds something else.
    """
    until = time.monotonic() + patience
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.2)
    return Run(path)


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
    for probe in load_probes():
        if probe.cost != "cheap" or not probe.applies(run):
            continue
        judged = probe.judge(probe.ask(run, Options(metrics_only=True)))
        if not result.is_fresh(run, probe):
            finding.record(run.path, probe.name, judged)
        found += judged
    return found
