"""Watch many runs that grow at once: how late the screen is, and how much memory that takes.

    python benchmarks/watch_many.py
    python benchmarks/watch_many.py --runs 50 --seconds 600 --rate 1

A second process writes the runs as the engine does, metrics only, and seals in turn an epoch of
each, so that every run gains `rate` epochs a second if the machine keeps up. This process watches
their folder as `jtdiag watch FOLDER` does, and draws the screen for a terminal of 80 × 24 after
every look. An epoch is late by the time from the moment its seal lies on disk until the first
screen that shows it, or a later one of its lane, is drawn. Memory is what the process has
resident. Two processes share the machine, so the lateness of a machine that is busy is its own.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from stopwatch import machine

from jtdiag import names
from jtdiag.commands.watch import MIN_PAUSE
from jtdiag.recipe.toml import from_table
from jtdiag.store.lanes import lanes_of
from jtdiag.store.layout import Extent
from jtdiag.store.writer import EpochBlock, RunWriter
from jtdiag.terminal.watch_screen import Screen
from jtdiag.watch import FolderWatch
from jtdiag.watch.events import Sealed

LANES = 4
LOG = "shown.log"
"""Where is written what was on the screen and when, so as not to count it as memory."""
Key = tuple[str, str, int]
"""Run, lane and epoch."""


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    print(machine(torch.device("cpu")))
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="jtdiag-watch-", dir=options.folder) as folder:
        ours, theirs = spawn.Pipe()
        stop = spawn.Value("b", False)
        writer = spawn.Process(target=_write, args=(Path(folder), options, theirs, stop))
        writer.start()
        ours.recv()  # all runs are there
        memory, cpu = _watch(Path(folder), options, stop)
        shown = _shown(Path(folder) / LOG)
        sealed = ours.recv()
        writer.join()
    _report(options, sealed, shown, memory, cpu)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--runs", type=int, default=50)
    add("--members", type=int, default=16)
    add("--seconds", type=float, default=90.0)
    add("--rate", type=float, default=1.0, help="epochs that a run seals in a second")
    add("--interval", type=float, default=0.5, help="seconds between two looks")
    add("--folder", type=Path, help="where runs are written; default: the temporary folder")
    return parser.parse_args()


# --- the runs --------------------------------------------------------------------------------


def _write(
    folder: Path, options: argparse.Namespace, pipe: Connection, stop: "Synchronized[Any]"
) -> None:
    """Seal an epoch of each run in turn until told to stop; send when each was sealed."""
    epochs = max(3, int(options.seconds * options.rate / LANES))
    writers = [_begin(folder / f"run{i:02}", options.members, epochs) for i in range(options.runs)]
    random, sealed = np.random.default_rng(0), {}
    pipe.send("begun")
    begun, pause = time.monotonic(), 1 / (options.rate * options.runs)
    for turn in range(LANES * (epochs + 1)):
        for i, writer in enumerate(writers):
            if stop.value:
                break
            lane, epoch = lanes_of(writer.recipe)[turn // (epochs + 1)], turn % (epochs + 1)
            writer.write(_block(writer, lane, epoch, random))
            sealed[writer.path.name, lane.key, epoch] = time.monotonic()
            ahead = begun + (turn * options.runs + i + 1) * pause - time.monotonic()
            time.sleep(max(0.0, ahead))
    for writer in writers:
        writer.close()
    pipe.send(sealed)


def _begin(path: Path, members: int, epochs: int) -> RunWriter:
    recipe = from_table(
        {
            "name": path.name,
            "lam": [0.0, 0.5, 0.9, 1.0][:LANES],
            "data": {"name": "digits", "val": 100},
            "members": {"arch": "mlp", "count": members},
            "train": {"epochs": epochs},
            "keep": {"outputs": "none", "checkpoints": "none"},
        }
    )
    extent = Extent(examples={names.TEST: 1}, outputs=10, parameters={})
    return RunWriter.create(path, recipe, extent, {}, {})


def _block(writer: RunWriter, lane: Any, epoch: int, random: np.random.Generator) -> EpochBlock:
    """Return an epoch of errors that fall, with a member that lags behind."""
    splits, members = len(writer.recipe.splits), writer.recipe.members.count
    level = 0.05 + 0.85 * np.exp(-epoch / 3)
    error = np.clip(level * random.uniform(1.0, 1.5, (splits, members)), 0, 1)
    ensemble = np.full(splits, level)
    metrics = {
        names.MEMBER_ERROR: error,
        names.ENSEMBLE_ERROR: ensemble,
        names.MEMBER_LOSS: 2 * error,
        names.ENSEMBLE_LOSS: 2 * ensemble,
        names.DISPLACEMENT: random.uniform(1.0, 2.0, members),
    }
    return EpochBlock(lane=lane, epoch=epoch, metrics=metrics, outputs={}, checkpoint={}, state={})


# --- the watch -------------------------------------------------------------------------------


def _watch(
    folder: Path, options: argparse.Namespace, stop: "Synchronized[Any]"
) -> tuple[list[float], float]:
    """Return memory by time, and the share of a processor; log what is on the screen and when."""
    watched, memory, log = FolderWatch(folder), [], (folder / LOG).open("w", buffering=1)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    screen = Screen(console, watched)
    begun, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < begun + options.seconds:
        look, told = time.monotonic(), []
        for run_event in watched.poll():
            screen.take(run_event)
            if isinstance(run_event.event, Sealed):
                told.append((run_event.run.name, run_event.event.lane.key, run_event.event.epoch))
        screen.draw()
        console.file.seek(0)
        console.file.truncate()
        now = time.monotonic()
        log.writelines(f"{run} {lane} {epoch} {now}\n" for run, lane, epoch in told)
        memory.append(_resident())
        left = look + options.interval - time.monotonic()
        time.sleep(max(MIN_PAUSE * options.interval, left))
    stop.value = True
    share = (time.process_time() - cpu) / (time.monotonic() - begun)
    log.close()
    return memory, share


def _shown(log: Path) -> dict[Key, float]:
    """Return when each epoch that was told was on the screen."""
    rows = (line.split() for line in log.read_text().splitlines())
    return {(run, lane, int(epoch)): float(at) for run, lane, epoch, at in rows}


def _resident() -> float:
    """Return the resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _report(
    options: argparse.Namespace,
    sealed: Mapping[Key, float],
    shown: Mapping[Key, float],
    memory: list[float],
    cpu: float,
) -> None:
    late = sorted(_lateness(sealed, shown))
    over = np.array(memory)
    third = max(1, len(over) // 3)
    print(
        f"{options.runs} runs, {len(sealed)} epochs sealed, "
        f"{len(sealed) / options.seconds:.1f} a second; {len(over)} looks\n"
        f"late: median {statistics.median(late):.2f} s, "
        f"99 % within {late[int(0.99 * (len(late) - 1))]:.2f} s, at most {late[-1]:.2f} s\n"
        f"resident: {over[0]:.1f} MB after the first look, {over[third]:.1f} MB after a third, "
        f"{over[2 * third]:.1f} MB after two, {over[-1]:.1f} MB at the end\n"
        f"watching took {100 * cpu:.0f} % of a processor"
    )


def _lateness(sealed: Mapping[Key, float], shown: Mapping[Key, float]) -> list[float]:
    """Return how late each epoch was; those that the end cut off are left out."""
    by_lane: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for (run, lane, epoch), at in shown.items():
        by_lane.setdefault((run, lane), []).append((epoch, at))
    found = []
    for (run, lane, epoch), at in sealed.items():
        later = [when for e, when in by_lane.get((run, lane), []) if e >= epoch]
        if later:
            found.append(min(later) - at)
    return found


if __name__ == "__main__":
    main()
