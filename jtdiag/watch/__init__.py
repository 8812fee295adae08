"""Follow runs during training: epochs as they are saved, and findings as they are made."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jtdiag.errors import StoreError
from jtdiag.probing import findings, lane_states, results
from jtdiag.probing.contract import Options
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import ask, judge, record_lanes, record_lost
from jtdiag.store.run import RECIPE, STORE, Run
from jtdiag.watch.events import Appeared, Ended, Event, RunEvent, Sealed
from jtdiag.watch.folder import FolderWatch
from jtdiag.watch.one_run import RunWatch

__all__ = [
    "PATIENCE",
    "Ended",
    "Event",
    "FolderWatch",
    "RunEvent",
    "RunWatch",
    "Sealed",
    "follow",
    "poll",
    "run_cheap_probes",
    "start",
    "wait_for",
]

PATIENCE = 30.0
"""Seconds to wait for a run that does not exist yet; training loads its data first."""


def start(path: Path, patience: float = PATIENCE) -> RunWatch | FolderWatch:
    """Start watching a run, or the runs below a folder, once the folder exists.

    Raises:
        JtdiagError: if there is no folder after `patience` seconds, or the run cannot be read.
    """
    _wait_for(path, patience)
    is_run = any((path / name).exists() for name in (RECIPE, STORE))  # or was one
    if os.path.isdir(path) and not is_run:
        return FolderWatch(path)
    return RunWatch(path, run_cheap_probes)


def poll(watched: RunWatch | FolderWatch) -> Iterator[RunEvent]:
    """Yield the events of a run, or of the runs of a folder, since the last call.

    Raises:
        JtdiagError: if a single run cannot be read; for runs of a folder, this is an event.
    """
    if isinstance(watched, FolderWatch):
        yield from watched.poll()
        return
    for event in watched.poll():
        yield RunEvent(run=watched.path, event=event, old=watched.old)


def wait_for(path: Path, patience: float = PATIENCE) -> Run:
    """Wait for a run to appear and return it.

    Raises:
        StoreError: if there is none after `patience` seconds, or the folder is not a run.
    """
    _wait_for(path, patience)
    return Run(path)


def _wait_for(path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.2)


def follow(run: Run, interval: float = 0.5) -> Iterator[Event]:
    """Yield the events of a run until it ends: saved epochs and findings.

    The rules are evaluated after every new epoch and alerts are yielded immediately, all other
    findings when the run ends. The cheap probes are then run on its metrics. A finding is yielded
    once, and again only if it holds in further trials.

    Args:
        run: A run that is training, or whose training has ended.
        interval: Polling interval in seconds.
    """
    watched = RunWatch(run.path, run_cheap_probes)
    while True:
        yield from (event for event in watched.poll() if not isinstance(event, Appeared))
        if watched.over:
            return
        time.sleep(interval)


def run_cheap_probes(run: Run) -> list[Finding]:
    """Return the findings of the cheap probes on a run's metrics.

    They are recorded in the run's folder unless the probe has an up-to-date full result.
    """
    with suppress(StoreError):  # a read-only folder can be watched
        record_lost(run)
        record_lanes(run)
    all_findings = lane_states.findings(run)
    for probe in PROBES.all():
        if probe.cost != "cheap" or not probe.applies(run):
            continue
        of_probe = judge(run, probe, ask(run, probe, Options(metrics_only=True)))
        if not results.is_fresh(run, probe):
            with suppress(StoreError):  # a read-only folder can be watched
                findings.record(run.path, probe.name, of_probe)
        all_findings += of_probe
    return all_findings
