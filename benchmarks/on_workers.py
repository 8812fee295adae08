"""Train twelve lanes of the demo on workers of Dask, kill them; compare stores, measure the cost.

    python benchmarks/on_workers.py              some minutes; temporary files in TMPDIR
    python benchmarks/on_workers.py --kills 20

One process and two workers train the same recipe. Then processes are killed by SIGKILL at random
moments, workers or, in one of four cases, their client with them, and training is resumed until the
run is complete, again and again. Last, the time of an epoch is compared, from the second one on,
between one process and one worker: lines with ms per epoch by the clock, of processor time, and of
the client's, without and with a worker. The exit status is 0 if all stores are the same but for
their settings.
"""

import argparse
import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import kill_compare
import psutil
import ratios

from jtdiag.cluster import connecting
from jtdiag.engine.train import train
from jtdiag.errors import JtdiagError
from jtdiag.recipe.presets import find
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import checksums
from jtdiag.store.run import Run

if TYPE_CHECKING:
    from distributed import Client

CLIENT = 0.25
"""Share of kills that hit the client."""
LONGEST = 4.0
"""Seconds until the next kill, at most."""


def main() -> int:
    """Train in all ways, print what differs and what it costs, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=6, help="in which times are compared")
    parser.add_argument("--long", type=int, default=40, help="epochs of a lane whose time is taken")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    recipe = _recipe(arguments.epochs)
    if arguments.train:
        return _train(recipe, arguments.train)
    folder = Path(tempfile.mkdtemp(prefix="on-workers-"))
    train(recipe, folder / "whole" / "run")
    with connecting.local(2) as client:
        train(recipe, folder / "workers" / "run", client=client)
    worst, killed, chance = _report(folder, "workers"), Counter(), random.Random(arguments.seed)
    while killed.total() < arguments.kills:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        _until_complete(folder / "killed" / "run", arguments, killed, chance)
        worst += _report(folder, "killed")
        print(f"Killed: {killed['worker']} workers, {killed['client']} clients.", flush=True)
    _print_overhead(folder, arguments.rounds, arguments.long)
    shutil.rmtree(folder)
    return int(worst > 0)


def _recipe(epochs: int, *more: str) -> Recipe:
    lanes = ("lam=[0, 0.5, 0.9, 1]", "trials=3", "engine.lanes=1", *more)
    fixed = ("engine.threads=1", "engine.execution=stacked", f"train.epochs={epochs}")
    return find("demo", (*lanes, *fixed))


def _train(recipe: Recipe, path: Path) -> int:
    """Train or resume a run with two workers, in a process that may be killed."""
    with connecting.local(2) as client:
        try:
            train(recipe, path, resume=True, client=client)
        except JtdiagError as error:
            print(f"    {error}", flush=True)
            return 1
    return 0


# --- killing -------------------------------------------------------------------------------------


def _until_complete(
    path: Path, arguments: argparse.Namespace, killed: Counter[str], chance: random.Random
) -> None:
    """Train a run to its end while processes are killed, and count them."""
    while not (path.is_dir() and Run(path).done):
        command = [sys.executable, __file__, "--train", path, "--epochs", arguments.epochs]
        client = psutil.Popen([str(word) for word in command])
        sealed = _sealed(path)
        while client.poll() is None:
            if killed.total() < arguments.kills and _sealed(path) > sealed:  # it trains
                time.sleep(chance.uniform(0, LONGEST))
                sealed = _sealed(path)
                killed.update(_kill(client, chance))
                print(f"  {killed.total()} killed, {sealed} epochs sealed", flush=True)
            time.sleep(0.05)


def _sealed(path: Path) -> int:
    if not path.is_dir():
        return 0
    run = Run(path)
    return sum(run.seal(lane).epoch + 1 for lane in run.lanes)


def _kill(client: psutil.Popen, chance: random.Random) -> list[str]:
    """Kill the client or a worker; return which, or nothing if it has ended already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = [p for p in client.children() if "spawn_main" in " ".join(p.cmdline())]
        if not workers:
            return []
        if chance.random() > CLIENT:
            chance.choice(workers).kill()
            return ["worker"]
        client.kill()
        client.wait()
        _require_ended(workers)
        return ["client"]
    return []


def _require_ended(workers: list[psutil.Process]) -> None:
    """Check that workers end with their client, whether or not somebody waits for them."""
    deadline = time.monotonic() + 60  # one that begins notices late
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in workers):
        if time.monotonic() > deadline:
            raise SystemExit(f"workers outlive their client: {workers}")
        time.sleep(0.05)


def _report(folder: Path, name: str) -> int:
    lines = kill_compare.differences(folder / "whole", folder / name)
    done = Run(folder / name / "run").done
    print(f"{name}: {'complete' if done else 'not complete'}; {len(lines)} differences", *lines[:5])
    return len(lines) + (not done)


# --- cost ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Seconds of a run of a few long lanes."""

    epoch: float
    """By the clock, per epoch from the second one on: between dates of the records of epochs."""
    training: float
    """Processor time of the process that trains, per epoch, with the beginning of each lane."""
    client: float
    """Processor time of the client, per epoch; 0 without one."""


def _print_overhead(folder: Path, rounds: int, epochs: int) -> None:
    recipe = _recipe(epochs, "lam=[0, 1]", "trials=1")
    rows: list[tuple[Cost, Cost]] = []
    with connecting.local(1) as client:
        [pid] = client.run(os.getpid).values()
        for repeat in range(rounds + 1):  # the first one loads modules
            path = folder / f"round-{repeat}"
            pair = [
                _cost(path / "alone", recipe, os.getpid()),
                _cost(path / "worker", recipe, pid, client),
            ]
            shutil.rmtree(path)
            if repeat:
                rows.append((pair[0], pair[1]))
                print(*(f"{1e3 * seconds:.1f}" for cost in pair for seconds in astuple(cost)))
    ratios.print_line("epoch, one worker / one process", [w.epoch / a.epoch for a, w in rows])
    by_time = [worker.training / alone.training for alone, worker in rows]
    ratios.print_line("processor time of training, one worker / one process", by_time)
    of_client = [worker.client / alone.training for alone, worker in rows]
    ratios.print_line("processor time, client / one process", of_client)


def _cost(path: Path, recipe: Recipe, pid: int, client: "Client | None" = None) -> Cost:
    """Train a run and return what it costs the process that trains, and the client."""
    processes = psutil.Process(pid), psutil.Process()
    before = [sum(process.cpu_times()[:2]) for process in processes]
    run = train(recipe, path, client=client)
    after = [sum(process.cpu_times()[:2]) for process in processes]
    count = len(run.lanes) * (recipe.train.epochs + 1)
    own, of_client = ((b - a) / count for a, b in zip(before, after, strict=True))
    dates = [
        [checksums.path_of(path, lane, epoch).stat().st_mtime for epoch in (1, recipe.train.epochs)]
        for lane in run.lanes
    ]
    steady = sum(last - first for first, last in dates)
    epochs = len(run.lanes) * (recipe.train.epochs - 1)
    return Cost(steady / epochs, own, of_client if client else 0.0)


if __name__ == "__main__":
    sys.exit(main())
