"""Train twelve lanes of the demo on workers of Dask, kill them; compare stores, measure the cost.

    python benchmarks/on_workers.py              some minutes; temporary files in TMPDIR
    python benchmarks/on_workers.py --kills 20

One process and two workers train the same recipe. Then processes are killed by SIGKILL at random
moments, workers or, in one of four cases, their client with them, and training is resumed until the
run is complete, again and again. Last, the processor time of an epoch is compared, from the second
one on, between one process and one worker. The exit status is 0 if all stores are the same but for
their settings.
"""

import argparse
import contextlib
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import kill_compare
import psutil
import ratios

from jtdiag.cluster import connecting
from jtdiag.engine.progress import EpochReport, NullListener
from jtdiag.engine.train import train
from jtdiag.errors import JtdiagError
from jtdiag.recipe.presets import find
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.run import Run

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
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    recipe = _recipe(arguments.epochs)
    if arguments.train:
        return _train(recipe, arguments.train)
    folder = Path(tempfile.mkdtemp(prefix="on-workers-"))
    train(recipe, folder / "whole" / "run")
    with connecting.local(2) as client:
        train(recipe, folder / "workers" / "run", client=client)
    worst, killed, chance = _report(folder, "workers"), 0, random.Random(arguments.seed)
    while killed < arguments.kills:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        killed += _until_complete(folder / "killed" / "run", arguments, killed, chance)
        worst += _report(folder, "killed")
        print(f"{killed} processes have been killed.", flush=True)
    _print_overhead(recipe, folder)
    shutil.rmtree(folder)
    return int(worst > 0)


def _recipe(epochs: int) -> Recipe:
    lanes = ("lam=[0, 0.5, 0.9, 1]", "trials=3", "engine.lanes=1")
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
    path: Path, arguments: argparse.Namespace, killed: int, chance: random.Random
) -> int:
    """Train a run to its end while processes are killed; return how many were."""
    before = killed
    while not (path.is_dir() and Run(path).done):
        command = [sys.executable, __file__, "--train", path, "--epochs", arguments.epochs]
        client = psutil.Popen([str(word) for word in command])
        sealed = _sealed(path)
        while client.poll() is None:
            if killed < arguments.kills and _sealed(path) > sealed:  # it has begun to train
                time.sleep(chance.uniform(0, LONGEST))
                sealed = _sealed(path)
                killed += _kill(client, chance)
                print(f"  {killed} killed, {sealed} epochs sealed", flush=True)
            time.sleep(0.05)
    return killed - before


def _sealed(path: Path) -> int:
    if not path.is_dir():
        return 0
    run = Run(path)
    return sum(run.seal(lane).epoch + 1 for lane in run.lanes)


def _kill(client: psutil.Popen, chance: random.Random) -> int:
    """Kill the client or a worker; return 1, or 0 if it has ended already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = [p for p in client.children() if "spawn_main" in " ".join(p.cmdline())]
        if not workers:
            return 0
        if chance.random() > CLIENT:
            chance.choice(workers).kill()
            return 1
        client.kill()
        client.wait()
        _require_ended(workers)
        return 1
    return 0


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


class Measured(NullListener):
    """Keeps the processor time of processes at the end of the first epoch and of the last one."""

    def __init__(self, *processes: psutil.Process) -> None:
        self._processes, self.times, self.epochs = processes, [], 0

    def epoch(self, report: EpochReport) -> None:
        """Read the clocks, from the end of the first epoch of the first lane on."""
        if report.epoch == 1 or self.times:
            clocks = [sum(process.cpu_times()[:2]) for process in self._processes]
            self.times = [*self.times[:1], [time.monotonic(), *clocks]]
            self.epochs += 1

    @property
    def per_epoch(self) -> list[float]:
        """Seconds by the clock and of each process's time, per epoch."""
        first, last = self.times
        return [(b - a) / (self.epochs - 1) for a, b in zip(first, last, strict=True)]


def _print_overhead(recipe: Recipe, folder: Path) -> None:
    own = psutil.Process()
    alone, on_worker = [], []
    with connecting.local(1) as client:
        [pid] = [int(info["pid"]) for info in client.run(_process).values()]
        for repeat in range(3):
            listener = Measured(own)
            train(recipe, folder / f"alone-{repeat}", listener=listener)
            alone.append(listener.per_epoch)
            listener = Measured(psutil.Process(pid), own)
            train(recipe, folder / f"worker-{repeat}", listener=listener, client=client)
            on_worker.append(listener.per_epoch)
    clock, processor = (min(times) for times in zip(*alone, strict=True))
    best = [min(times) for times in zip(*on_worker, strict=True)]
    print(f"one process: {1e3 * clock:.1f} ms an epoch, {1e3 * processor:.1f} ms of processor time")
    print(
        f"one worker:  {1e3 * best[0]:.1f} ms an epoch ({best[0] / clock:.3f} times), "
        f"{1e3 * best[1]:.1f} ms of processor time ({best[1] / processor:.3f} times), "
        f"and {1e3 * best[2]:.1f} ms of the client's"
    )
    by_round = [worker[0] / own[0] for worker, own in zip(on_worker, alone, strict=True)]
    ratios.print_line("epoch, one worker / one process", by_round)


def _process() -> dict[str, int]:
    return {"pid": psutil.Process().pid}


if __name__ == "__main__":
    sys.exit(main())
