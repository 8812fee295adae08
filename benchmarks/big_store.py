"""Write a run of many gigabytes, and measure the memory of every probe on it.

    python benchmarks/big_store.py FOLDER --gigabytes 10 --measure
    python benchmarks/big_store.py FOLDER --gigabytes 8 --one-lane --examples 200000 --measure

The run is one of 256 members of 4 units on images of 28x28, at five lambdas in two trials, with as
many epochs as fill the store; outputs of val and test and checkpoints are kept of all of them. With
--one-lane it has one lambda and one trial, and few epochs may hold many examples. It is written
through `RunWriter` epoch by epoch, sealed, and as valid as a trained one: the metrics are those of
the outputs. The outputs themselves are noise about the classes, the same in every lane and epoch,
so that gigabytes are written in minutes.

--measure asks each probe in a process of its own and prints its peak resident memory and time. Two
processors and other work beside it change the time, not the memory. With `--workers 0 1 2` each
probe is run without workers, with one and with two workers of Dask, the results are compared with
the first, bit for bit, and the memory is that of the process that needs most.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from jtdiag import find_recipe, names
from jtdiag.probing import results
from jtdiag.probing.registry import PROBES
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes, layout
from jtdiag.store.layout import Extent, Parameter
from jtdiag.store.run import Run
from jtdiag.store.writer import EpochBlock, Examples, RunWriter

MEMBERS, CLASSES, INPUTS, HIDDEN = 256, 10, 784, 4
KEPT = (names.VAL, names.TEST)
SHAPES = {
    "layer1.weight": (HIDDEN, INPUTS),
    "layer1.bias": (HIDDEN,),
    "layer2.weight": (CLASSES, HIDDEN),
    "layer2.bias": (CLASSES,),
}
ASK = "from jtdiag.commands import main; main()"
AT_ONCE = 1000
"""Examples whose losses are computed at once."""


def recipe_of(epochs: int, one_lane: bool) -> Recipe:
    """Return the recipe of a run of some epochs that keeps everything."""
    return find_recipe(
        "fashion-256x4",
        (
            "name=big",
            "lam=[0.9]" if one_lane else "lam=[0, 0.5, 0.9, 0.99, 1]",
            f"trials={1 if one_lane else 2}",
            f"train.epochs={epochs}",
            "train.lr=1.0",
            "keep.outputs=all",
            "keep.checkpoints=all",
            'keep.splits=["val", "test"]',
        ),
    )


def extent_of(examples: int) -> Extent:
    """Return the sizes that only data and members know."""
    parameters = {
        name: Parameter(shape=shape, dims=tuple(f"{name}.{i}" for i in range(len(shape))))
        for name, shape in SHAPES.items()
    }
    return Extent(
        examples=dict.fromkeys(names.SPLITS, examples), outputs=CLASSES, parameters=parameters
    )


def epochs_for(gigabytes: float, examples: int, one_lane: bool) -> int:
    """Return the number of epochs, beyond epoch 0, whose store comes nearest to a size."""

    def total(epochs: int) -> float:
        return layout.size(recipe_of(epochs, one_lane), extent_of(examples)).total / 1e9

    if total(1) > 1.2 * gigabytes:
        raise SystemExit(
            f"One epoch of training makes {total(1):.1f} GB; ask for fewer --examples."
        )
    return max(1, round((gigabytes - total(1)) / (total(2) - total(1))) + 1)


def outputs(target: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float32]:
    """Return logits (M, n, K) of members that know a little of the classes."""
    shape = (MEMBERS, len(target), CLASSES)
    logits = random.standard_normal(shape, dtype=np.float32)
    logits[:, np.arange(len(target)), target] += np.float32(1.5)
    return logits


def metrics(logits: NDArray[np.float32], target: NDArray[np.int64]) -> dict[str, Any]:
    """Return losses and errors of members (M,) and ensemble, a thousand examples at a time."""
    member, ensemble = np.zeros((2, MEMBERS)), np.zeros(2)
    for start in range(0, len(target), AT_ONCE):
        part = logits[:, start : start + AT_ONCE].astype(np.float64)
        here = target[start : start + AT_ONCE]
        at = np.arange(len(here))
        for found, said in ((member, part), (ensemble, part.mean(0))):
            loss = logsumexp(said, -1) - said[..., at, here]
            found += loss.sum(-1), (said.argmax(-1) != here).sum(-1)
    return {
        names.MEMBER_LOSS: member[0] / len(target),
        names.MEMBER_ERROR: member[1] / len(target),
        names.ENSEMBLE_LOSS: ensemble[0] / len(target),
        names.ENSEMBLE_ERROR: ensemble[1] / len(target),
    }


def write(folder: Path, gigabytes: float, examples: int, one_lane: bool) -> None:
    """Write the run, one epoch of one lane after another."""
    random = np.random.default_rng(0)
    recipe = recipe_of(epochs_for(gigabytes, examples, one_lane), one_lane)
    target = np.arange(examples) % CLASSES
    logits = outputs(target, random)
    said = metrics(logits, target)
    rows = {name: np.stack([value] * len(recipe.splits)) for name, value in said.items()}
    index = np.arange(examples)
    per_trial = Examples(
        target=np.stack([target] * recipe.trials), source_index=np.stack([index] * recipe.trials)
    )
    kept = {names.VAL: per_trial, names.TEST: Examples(target=target, source_index=index)}
    writer = RunWriter.create(folder, recipe, extent_of(examples), kept, {})
    weights = {n: random.standard_normal((MEMBERS, *s), np.float32) for n, s in SHAPES.items()}
    for lane in lanes.lanes_of(recipe):
        for epoch in range(recipe.train.epochs + 1):
            grown = {n: w * np.float32(1 + epoch) for n, w in weights.items()}
            writer.write(
                EpochBlock(
                    lane=lane,
                    epoch=epoch,
                    metrics=rows,
                    outputs=dict.fromkeys(KEPT, logits),
                    checkpoint=grown,
                    state={},
                )
            )
        writer.forget_states([lane], recipe.train.epochs)
    writer.close()


def measure(folder: Path, probes: list[str], numbers_of_workers: list[int]) -> None:
    """Print peak memory and time of each probe, asked in a process of its own."""
    print(f"{'probe':20} {'workers':>7} {'peak MB':>8} {'seconds':>8}  result")
    for name in probes:
        first: xr.Dataset | None = None
        for workers in numbers_of_workers:
            peak, seconds, status = asked(folder, name, workers)
            outcome = f"failed with status {status}" if status else ""
            if not status:
                result = results.load(Run(folder), name).load()
                outcome = "" if first is None or same(result, first) else "differs from the first"
                first = first or result
            print(f"{name:20} {workers:7} {peak:8.0f} {seconds:8.0f}  {outcome}", flush=True)


def asked(folder: Path, name: str, workers: int) -> tuple[float, float, int]:
    """Return the peak memory in MB of a probe and its workers, its seconds, and its status."""
    command = [sys.executable, "-c", ASK, "probe", str(folder), name, "--force"]
    command += ["--workers", str(workers)] if workers else []
    before = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # the usage includes that of its children
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1000, time.monotonic() - before, process.returncode


def same(result: xr.Dataset, first: xr.Dataset) -> bool:
    """Return whether two results have the same bits."""
    return result.keys() == first.keys() and all(
        result[name].values.tobytes() == first[name].values.tobytes() for name in result
    )


def main() -> None:
    """Read the arguments, write what is not there, measure what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--examples", type=int, default=10_000, help="of each split")
    parser.add_argument("--one-lane", action="store_true", help="one lambda and one trial")
    parser.add_argument(
        "--measure", nargs="*", metavar="PROBE", help="the probes that are named, or all"
    )
    parser.add_argument("--workers", nargs="+", type=int, default=[0], metavar="N")
    wanted = parser.parse_args()
    if not wanted.folder.exists():
        # In a process of its own: what this one has held would count for the probes that it forks.
        arguments = (wanted.folder, wanted.gigabytes, wanted.examples, wanted.one_lane)
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            apart.submit(write, *arguments).result()
        size = sum(path.stat().st_size for path in wanted.folder.rglob("*") if path.is_file())
        print(f"wrote {layout.readable(size)}", flush=True)
    if wanted.measure is not None:
        measure(wanted.folder, wanted.measure or PROBES.names(), wanted.workers)


if __name__ == "__main__":
    main()
