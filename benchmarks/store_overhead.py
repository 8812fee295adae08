"""Time epochs of 256x4H with everything stored against the same epochs with nothing stored.

    python benchmarks/store_overhead.py
    python benchmarks/store_overhead.py --root ../shared/data --epochs 6

Four ways to run `jtdiag.train`, each in every round, in one process:

stored    metrics, outputs of the test split and checkpoints, all of every epoch
dropped   the same, but every job for the writer is dropped: what the training thread pays for
          keeping outputs, without any writing beside it
metrics   nothing kept but metrics and the state for resuming, which every run writes
nothing   nothing kept and every job dropped: an epoch without a store

The clock runs from the first step of epoch 1, when all of epoch 0 is written, until the last job
is done, so what the writer has left to do when training ends counts in full. The store is made
before, and what the system still has to write is flushed between the runs, both off the clock.
stored / nothing is the price of the store.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import ratios
import torch
from stopwatch import Times, machine
from workload import SHAPE, Config, noise, recipe

from jtdiag.engine import train as engine
from jtdiag.engine.progress import EpochReport, NullListener
from jtdiag.engine.writer import BackgroundWriter, Job

KEPT = {"stored": "all", "dropped": "all", "metrics": "none", "nothing": "none"}
DROPPING = ("dropped", "nothing")
EXAMPLES = (60_000, 10_000)
VALIDATION = 10_000
CPU = torch.device("cpu")


@dataclass
class Clock(NullListener):
    """What one run took from the end of epoch 0 on, in seconds."""

    drops: bool
    wall: float = 0.0
    cpu: float = 0.0
    waited: float = 0.0
    """Time for which a full queue held the training thread up."""
    written: float = 0.0
    """Wall time of the writer's jobs."""
    pending: int = 0

    def epoch(self, report: EpochReport) -> None:
        """Start when epoch 0 has been handed over and written."""
        if report.epoch == 0:
            while self.pending:
                time.sleep(0.001)
            self.waited = self.written = 0.0
            self.wall, self.cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Stop, when the last job is done."""
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu

    def do(self, job: Job) -> None:
        """Do a job on the writer's thread, and note what it took."""
        before = time.perf_counter()
        job()
        self.written += time.perf_counter() - before
        self.pending -= 1


def observed(clock: Clock) -> type[BackgroundWriter]:
    """Return the engine's writer, with a clock that sees every job and may drop it."""

    class Observed(BackgroundWriter):
        def put(self, job: Job) -> None:
            if clock.drops:
                return
            before = time.perf_counter()
            clock.pending += 1
            super().put(lambda: clock.do(job))
            clock.waited += time.perf_counter() - before

    return Observed


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    torch.set_num_threads(options.threads)
    print(machine(CPU))
    with tempfile.TemporaryDirectory(prefix="jtdiag-store-", dir=options.folder) as folder:
        data = _data(options, Path(folder))
        clocks = _race(options, data, Path(folder) / "run")
    _show(clocks, options.epochs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", type=Config.parse, default=Config(256, 4), metavar="MxH")
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=4, help="times every way has its turn")
    add("--epochs", type=int, default=5, help="timed epochs of a run")
    add("--lam", type=float, default=0.95)
    add("--root", type=Path, help="folder of Fashion-MNIST; default: noise of the same shapes")
    add("--folder", type=Path, help="where the stores are written; default: the temporary folder")
    return parser.parse_args()


def _data(options: argparse.Namespace, folder: Path) -> tuple[str, ...]:
    """Return the overrides that name the data, after writing them where none were given."""
    if options.root is not None:
        return ("data.name=fashion-mnist", f"data.root={options.root}")
    path = folder / "noise.npz"
    made = noise(*EXAMPLES, SHAPE)
    np.savez(path, x_train=made.x_train, y_train=made.y_train,
             x_test=made.x_test, y_test=made.y_test)  # fmt: skip
    return (f"data.name={path}",)


def _race(options: argparse.Namespace, data: tuple[str, ...], out: Path) -> dict[str, list[Clock]]:
    """Run every way in every round; every other round in the opposite order."""
    clocks: dict[str, list[Clock]] = {way: [] for way in KEPT}
    for number in range(options.rounds):
        for way in list(KEPT) if number % 2 == 0 else reversed(KEPT):
            clocks[way].append(_run(way, options, data, out))
            print(f"  round {number + 1}, {way:9}{clocks[way][-1].wall / options.epochs:8.3f} s")
    return clocks


def _run(way: str, options: argparse.Namespace, data: tuple[str, ...], out: Path) -> Clock:
    """Train once and return the clock; remove the run, and let the disk come to rest."""
    made = recipe(
        options.config,
        (options.lam,),
        *data,
        f"data.val={VALIDATION}",
        f"train.epochs={options.epochs}",
        f"keep.outputs={KEPT[way]}",
        f"keep.checkpoints={KEPT[way]}",
        "engine.device=cpu",
        f"engine.threads={options.threads}",
    )
    clock = Clock(drops=way in DROPPING)
    with mock.patch.object(engine, "BackgroundWriter", observed(clock)):
        engine.train(made, out, listener=clock)
    clock.stop()
    shutil.rmtree(out)
    os.sync()
    return clock


def _show(clocks: Mapping[str, list[Clock]], epochs: int) -> None:
    """Print one row a way: seconds per epoch, and ratios to an epoch without a store."""
    times = {
        way: Times(
            [clock.wall / epochs for clock in found], [clock.cpu / epochs for clock in found]
        )
        for way, found in clocks.items()
    }
    base = times["nothing"]
    print(f"\n{'':12}{'fastest':>9}{'median':>9} s an epoch{'x nothing':>11}{'by round':>10}"
          f"{'cores':>7}{'held up':>9}{'writing':>9}")  # fmt: skip
    for way, spent in times.items():
        print(
            f"{way:12}{spent.fastest:9.3f}{spent.median:9.3f}           "
            f"{spent.ratio_of_fastest(base):11.3f}{spent.ratio_by_round(base):10.3f}"
            f"{spent.cores:7.2f}{_per_epoch(clocks[way], 'waited', epochs):9.3f}"
            f"{_per_epoch(clocks[way], 'written', epochs):9.3f}"
        )
    for way in ("stored", "metrics"):
        ratios.print_line(f"epoch, {way} / nothing", times[way].ratios(base))


def _per_epoch(clocks: list[Clock], what: str, epochs: int) -> float:
    return statistics.median(float(getattr(clock, what)) for clock in clocks) / epochs


if __name__ == "__main__":
    main()
