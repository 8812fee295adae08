"""Following a run while it trains: new epochs as they are sealed, and findings as they come."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jtdiag import finding, result
from jtdiag.finding import Finding
from jtdiag.lanes import Lane
from jtdiag.probe_contract import Options, Probe
from jtdiag.registry import load_probes
from jtdiag.store import Run

PATIENCE = 30.0
"""Seconds to wait for a run that does not exist yet; the engine loads its data first."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A lane has come to this epoch."""

    lane: Lane
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Nothing more will come: the run is done, or whoever trained it is gone."""

    done: bool


Event = Sealed | Finding | Ended


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

    After every look that finds new epochs the cheap probes are asked of the metrics. A finding
    is told once, and again only when further trials join it.

    Args:
        run: A run that trains, has trained, or has died.
        interval: Seconds between two looks.
    """
    asked = [probe for probe in load_probes() if probe.cost == "cheap" and probe.applies(run)]
    told: set[tuple[object, ...]] = set()
    found: list[Finding] = []
    for events in newly_sealed(run, interval):
        fresh = [event for event in events if isinstance(event, Sealed)]
        yield from fresh
        if fresh:
            found = _ask(run, asked)
            yield from _untold([f for f in found if f.level == "alert"], told)
        if len(fresh) < len(events):
            yield from _untold(found, told)
            yield Ended(done=run.done)


def newly_sealed(run: Run, interval: float = 0.5) -> Iterator[list[Sealed | Ended]]:
    """Yield the epochs that each look finds newly sealed; with the last of them, that it ended.

    Args:
        run: A run that trains, has trained, or has died.
        interval: Seconds between two looks.
    """
    seen: dict[Lane, int] = dict.fromkeys(run.lanes, -1)
    while True:
        training = run.training  # before the seals: what it sealed last is still seen
        events: list[Sealed | Ended] = [*_look(run, seen)]
        ended = run.done or not training
        if ended:
            events.append(Ended(done=run.done))
        if events:
            yield events
        if ended:
            return
        time.sleep(interval)


def _look(run: Run, seen: dict[Lane, int]) -> Iterator[Sealed]:
    for lane in run.lanes:
        epoch = run.seal(lane).epoch
        if epoch > seen[lane]:
            seen[lane] = epoch
            yield Sealed(lane=lane, epoch=epoch)


def _ask(run: Run, asked: list[Probe]) -> list[Finding]:
    """Return what the probes find in the metrics; record it where no fuller result stands."""
    found = []
    for probe in asked:
        judged = probe.judge(probe.ask(run, Options(metrics_only=True)))
        if not result.is_fresh(run, probe):
            finding.record(run.path, probe.name, judged)
        found += judged
    return found


def _untold(findings: list[Finding], told: set[tuple[object, ...]]) -> Iterator[Finding]:
    for one in findings:
        key = (one.probe, one.rule, one.lam, one.trials)
        if key not in told:
            told.add(key)
            yield one
