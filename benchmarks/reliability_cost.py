"""What reliability costs: training and reading with and without checksums and flushes.

    python benchmarks/reliability_cost.py
    python benchmarks/reliability_cost.py --config 16x64 --examples 60000 --epochs 2 --rounds 8

Training: epochs of the paper's recipe with everything kept, as they are, and without the checksums
of chunks, their record by place, those of metrics, and flushes of the disk. Epoch 0 and the
creation of the run are not timed; what the writer has left to do when training ends is. Beside the
ratio, the time spent on all this is printed as a share of the epoch: it is spent in the writer's
thread, so it is the most that training can lose to it where a processor is free.

Reading: all outputs, as a probe reads them, and all arrays, of a store that is verified and of one
that has no checksums.

With and without take turns, in one process, on the same data. A ratio is the median over rounds,
with its interval of at least 95 % by order statistics. Data are noise of Fashion-MNIST's shape.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import ratios
import torch
import zarr
from stopwatch import machine
from store_overhead import Clock, observed
from workload import SHAPE, Config, noise, recipe
from zarr.codecs import Crc32cCodec, ZstdCodec

from jtdiag import files
from jtdiag.engine import train as engine
from jtdiag.store import checksums, layout, writer
from jtdiag.store.run import Run
from jtdiag.store.writer import RunWriter

TEST, VALIDATION = 10_000, 10_000
Way = Callable[[], AbstractContextManager[object]]


@contextmanager
def without_checksums() -> Iterator[None]:
    """Write as if there were no checksums and no power failures."""
    with ExitStack() as stack:
        for owner, name, instead in (
            (files, "flush", lambda _folder: None),
            (checksums, "of_arrays", lambda *_: {}),
            (checksums, "write", lambda *_: None),
            (RunWriter, "_metric_checksums", lambda *_: ()),
            (writer, "_create", _create_unchecked),
        ):
            stack.enter_context(mock.patch.object(owner, name, instead))
        yield


def _create_unchecked(store: zarr.Group, array: layout.Array) -> zarr.Array[Any]:
    """Create an array as the writer does, without the codec of checksums."""
    return store.create_array(
        array.path,
        shape=array.shape,
        chunks=array.chunks,
        dtype=array.dtype,
        filters=(),
        compressors=[ZstdCodec(level=1)] if array.compressed else [],
        fill_value=np.nan if array.dtype.startswith("float") else 0,
        dimension_names=array.dims,
        attributes={"unit": array.unit, "meaning": array.meaning},
    )


@contextmanager
def unverified() -> Iterator[None]:
    """Read a store that has no checksums."""
    with (
        mock.patch.object(Run, "_require_epoch"),
        mock.patch.object(Run, "_check_rows"),
        mock.patch.object(Run, "require_created"),
    ):
        yield


# --- training ------------------------------------------------------------------------------------


@dataclass
class Spent:
    """Seconds that calls of some functions took."""

    seconds: float = 0.0

    def timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and adds the time that it takes."""

        def timed(*arguments: Any) -> Any:
            before = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - before

        return timed


@contextmanager
def observed_checksums(spent: Spent) -> Iterator[None]:
    """Write with everything, and note what the checksums and flushes take."""
    places = (
        (files, "flush"),
        (RunWriter, "_record_chunks"),
        (RunWriter, "_metric_checksums"),
        (Crc32cCodec, "_encode_sync"),
    )
    with ExitStack() as stack:
        for owner, name in places:
            instead = spent.timing(getattr(owner, name))
            stack.enter_context(mock.patch.object(owner, name, _method(instead)))
        yield


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plain function, which becomes a method where a class has it."""
    return lambda *arguments: function(*arguments)


def trained(options: argparse.Namespace, data: Path, out: Path, way: Way) -> tuple[float, float]:
    """Train once; return seconds of wall and of processor time per epoch, after epoch 0."""
    made = recipe(
        options.config,
        (options.lam,),
        f"data.name={data}",
        f"data.val={VALIDATION}",
        f"train.epochs={options.epochs}",
        "keep.outputs=all",
        "keep.checkpoints=all",
        "engine.device=cpu",
        "engine.execution=stacked",
        f"engine.threads={options.threads}",
    )
    clock = Clock(drops=False)
    with way(), mock.patch.object(engine, "BackgroundWriter", observed(clock)):
        engine.train(made, out, listener=clock)
    clock.stop()
    return clock.wall / options.epochs, clock.cpu / options.epochs


def race_training(options: argparse.Namespace, folder: Path) -> None:
    """Train with and without in turn; print the ratios, and what is spent on reliability."""
    data = folder / "noise.npz"
    _write_noise(data, options.examples + VALIDATION)
    spent = Spent()
    ways = {"with": partial(observed_checksums, spent), "without": without_checksums}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name in list(ways) if number % 2 == 0 else reversed(ways):
            out = folder / "run"
            times[name].append(trained(options, data, out, ways[name]))
            shutil.rmtree(out)
            os.sync()
        print(f"  round {number + 1}: {times['with'][-1][0]:.3f} s with, "
              f"{times['without'][-1][0]:.3f} s without, an epoch", flush=True)  # fmt: skip
    for i, kind in enumerate(("wall", "processor")):
        shown(f"training, {kind} time", *([t[i] for t in times[name]] for name in ways))
    epochs = sum(wall for wall, _ in times["with"]) * options.epochs
    each = 1e3 * spent.seconds / options.rounds / (options.epochs + 1)
    share = 100 * each / 1e3 / (epochs / options.rounds / options.epochs)
    print(f"checksums and flushes: {each:.1f} ms an epoch, in the writer's thread: {share:.2f} %")


def _write_noise(path: Path, train: int) -> None:
    made = noise(train, TEST, SHAPE)
    arrays = {"x_train": made.x_train, "y_train": made.y_train}
    np.savez(path, **arrays, x_test=made.x_test, y_test=made.y_test)


# --- reading -------------------------------------------------------------------------------------


def outputs(path: Path) -> None:
    """Read all outputs, as a probe does."""
    run = Run(path)
    for lane in run.lanes:
        for epoch in run.seal(lane).outputs:
            for split in run.recipe.keep.splits:
                for block in run.outputs(lane, epoch, split):
                    block.logits.max()


def everything(path: Path) -> None:
    """Read all arrays."""
    outputs(path)
    run = Run(path)
    run.metrics()
    for lane in run.lanes:
        run.history(lane)
        for epoch in run.seal(lane).checkpoints:
            for values in run.checkpoint(lane, epoch).values():
                values.max()


def race_reading(options: argparse.Namespace, folder: Path) -> None:
    """Read a store with checksums and one without in turn, and print the ratios."""
    data = folder / "few.npz"
    _write_noise(data, VALIDATION + 1_000)
    few = argparse.Namespace(**{**vars(options), "epochs": options.read_epochs})
    stores = {"with": folder / "with", "without": folder / "without"}
    trained(few, data, stores["with"], nullcontext)
    trained(few, data, stores["without"], without_checksums)
    ways: dict[str, Way] = {"with": nullcontext, "without": unverified}
    for what, read in (("outputs", outputs), ("all arrays", everything)):
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(options.read_rounds + 1):
            for name in list(ways) if number % 2 == 0 else reversed(ways):
                wall, cpu = time.perf_counter(), time.process_time()
                with ways[name]():
                    read(stores[name])
                spent = time.perf_counter() - wall, time.process_time() - cpu
                times[name] += [spent] if number else []  # the first brings files into memory
        for i, kind in enumerate(("wall", "processor")):
            shown(f"reading {what}, {kind} time", *([t[i] for t in times[n]] for n in ways))


# --- printing ------------------------------------------------------------------------------------


def shown(what: str, with_it: list[float], without: list[float]) -> None:
    """Print the median of the ratios by round, its interval, and the line of both."""
    by_round = [a / b for a, b in zip(with_it, without, strict=True)]
    low, high = ratios.median_interval(by_round)
    print(f"{what:34} {statistics.median(with_it):8.3f} s / {statistics.median(without):8.3f} s"
          f"  ratio {statistics.median(by_round):.3f}  [{low:.3f}, {high:.3f}]"
          f"  of {len(by_round)} rounds", flush=True)  # fmt: skip
    ratios.print_line(what, by_round)


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    torch.set_num_threads(options.threads)
    print(machine(torch.device("cpu")))
    with tempfile.TemporaryDirectory(prefix="jtdiag-cost-", dir=options.folder) as folder:
        if "reading" in options.what:
            race_reading(options, Path(folder))
        if "training" in options.what:
            race_training(options, Path(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--what", nargs="+", choices=("training", "reading"), default=("training", "reading"))
    add("--config", type=Config.parse, default=Config(256, 4), metavar="MxH")
    add("--examples", type=int, default=50_000, help="training examples, besides 10,000 held out")
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=6, help="times that training takes turns")
    add("--epochs", type=int, default=2, help="timed epochs of a training")
    add("--read-rounds", type=int, default=20, help="times that reading takes turns")
    add("--read-epochs", type=int, default=3, help="epochs of the stores that are read")
    add("--lam", type=float, default=0.95)
    add("--folder", type=Path, help="where the stores are written; default: the temporary folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
