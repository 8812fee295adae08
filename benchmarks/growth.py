"""How time, memory and disk space grow with members, width, outputs, lanes and examples.

    python benchmarks/growth.py --json growth.json
    python benchmarks/growth.py --read growth.json --figure docs/images/growth.png

Every size is measured in processes of its own, several times, in random order: the fastest of some
training steps (of an epoch, for examples), the peak memory above that of a process that has loaded
the libraries, and the size of the store. The exponent is the slope of the logarithms over the
largest sizes, with a 95 % interval from the repetitions.
"""

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jtdiag.recipe.recipe import Recipe

BATCH = 100
LARGEST = 3
"""Sizes over which the exponent is fitted: at small ones, the cost of calls dominates."""
STEPS = 20
HELD_OUT = 1000
"""Test examples."""
RESOURCES = {"time": "Step (ms)", "memory": "Memory (MB)", "store": "Store (MB)"}


@dataclass(frozen=True)
class Axis:
    """What grows, and what is fixed meanwhile."""

    label: str
    sizes: tuple[int, ...]


AXES = {
    "members": Axis("members of 4 units", (1, 4, 16, 64, 256, 1024, 4096)),
    "width": Axis("units of 4 members", (4, 16, 64, 256, 1024, 4096)),
    "outputs": Axis("outputs of 16 members of 16 units", (10, 32, 100, 320, 1000)),
    "lanes": Axis("lanes of 4 members of 16 units", (1, 4, 10, 30, 70)),
    "examples": Axis("examples of an epoch", (1000, 4000, 15000, 60000)),
}
SHAPE = (1, 28, 28)
"""Of an image."""


def main() -> None:
    """Measure, or read what was measured; print exponents, and draw."""
    options = _options()
    if options.one:
        axis, size = options.one
        print(json.dumps(_measured(axis, int(size), options.threads)))
        return
    if options.read:
        rows = json.loads(options.read.read_text("utf-8"))
    else:
        rows = _all(options.rounds, options.threads)
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    _show(rows)
    if options.figure:
        _draw(rows).savefig(options.figure, dpi=150)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="processes for each size")
    add("--threads", type=int, default=1)
    add("--json", type=Path, metavar="FILE", help="write what was measured")
    add("--read", type=Path, metavar="FILE", help="do not measure; read this file")
    add("--figure", type=Path, metavar="FILE", help="draw into this file")
    add("--one", nargs=2, metavar=("AXIS", "SIZE"), help=argparse.SUPPRESS)
    return parser.parse_args()


# --- measuring -----------------------------------------------------------------------------------


def _all(rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return a row for each round of each size, measured in random order."""
    cases = [(name, size) for name, axis in AXES.items() for size in axis.sizes] * rounds
    random.Random(0).shuffle(cases)
    rows = []
    for number, (name, size) in enumerate(cases, 1):
        command = [sys.executable, __file__, "--one", name, str(size), "--threads", str(threads)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(answer.stdout))
        print(f"{number}/{len(cases)} {name} {size}: {rows[-1]['time']:.3g} ms", flush=True)
    return rows


def _measured(axis: str, size: int, threads: int) -> dict[str, Any]:
    """Return time in ms, memory and store in MB, for one size, in this process."""
    import torch
    from lanes import stepping
    from stopwatch import race
    from workload import lane_group, noise

    from jtdiag import names
    from jtdiag.engine.kept_memory import kept_memory

    torch.set_num_threads(threads)
    made, train, classes = _case(axis, size)
    arrays = noise(train, HELD_OUT, SHAPE, classes)
    before = _peak()
    group = lane_group(made, arrays, torch.device("cpu"), len(made.lam))
    with kept_memory():
        if axis == "examples":
            group.train_epoch(1)
            start = time.perf_counter()
            group.train_epoch(2)
            seconds = time.perf_counter() - start
        else:
            seconds = race({"": stepping(group)}, 1, STEPS, torch.device("cpu"))[""].fastest
    group.measure(names.TEST)
    return {
        "axis": axis,
        "size": size,
        "time": 1e3 * seconds,
        "memory": _peak() - before,
        "store": _store(made, train, classes),
    }


def _case(axis: str, size: int) -> "tuple[Recipe, int, int]":
    """Return the recipe of a size, its training examples, and its classes."""
    from jtdiag.recipe import presets

    count, width, outputs, lanes, examples = {
        "members": (size, 4, 10, 1, STEPS * BATCH),
        "width": (4, size, 10, 1, STEPS * BATCH),
        "outputs": (16, 16, size, 1, STEPS * BATCH),
        "lanes": (4, 16, 10, size, STEPS * BATCH),
        "examples": (16, 64, 10, 1, size),
    }[axis]
    overrides = (
        f"members.count={count}",
        f"members.hidden=[{width}]",
        f"lam={[index / lanes for index in range(lanes)]}",
        "train.lr=0.02",
        f"train.batch={BATCH}",
        "trials=1",
        "data.val=0",
        'keep.splits=["test"]',
        'keep.outputs=["last"]',
        'keep.checkpoints=["last"]',
    )
    return presets.find("fashion-256x4", overrides), examples, outputs


def _store(recipe: "Recipe", train: int, classes: int) -> float:
    """Return the size of the run's store in MB."""
    from jtdiag.engine.architectures import build
    from jtdiag.store import layout

    extent = layout.Extent(
        examples={"train": train, "test": HELD_OUT},
        outputs=classes,
        parameters=dict(build(recipe.members, SHAPE, classes).parameters),
    )
    return layout.size(recipe, extent).total / 1e6


def _peak() -> float:
    """Return the peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


# --- exponents -----------------------------------------------------------------------------------


def exponent(sizes: Sequence[float], amounts: Sequence[float]) -> tuple[float, float, float]:
    """Return the slope of the logarithms of amounts by sizes, and its 95 % interval.

    The ends are those of the slope where the amounts do not vary around the line.
    """
    fit = stats.linregress(np.log(sizes), np.log(amounts))
    reach = stats.t.ppf(0.975, len(sizes) - 2) * fit.stderr
    return float(fit.slope), float(fit.slope - reach), float(fit.slope + reach)


def _largest(
    rows: Sequence[dict[str, Any]], axis: str, name: str
) -> tuple[list[float], list[float]]:
    """Return sizes and amounts of the largest sizes of an axis, without amounts of 0."""
    sizes = AXES[axis].sizes[-LARGEST:]
    kept = [row for row in rows if row["axis"] == axis and row["size"] in sizes and row[name] > 0]
    return [row["size"] for row in kept], [row[name] for row in kept]


def _show(rows: Sequence[dict[str, Any]]) -> None:
    print(f"\n{'largest sizes of':36}" + "".join(f"{name:>24}" for name in RESOURCES))
    for axis, described in AXES.items():
        cells = []
        for name in RESOURCES:
            sizes, amounts = _largest(rows, axis, name)
            if len(set(sizes)) < LARGEST:
                cells.append("too little to measure")
                continue
            if len(set(amounts)) == 1:
                cells.append("does not grow")
                continue
            slope, low, high = exponent(sizes, amounts)
            cells.append(f"{slope:.2f} ({low:.2f} to {high:.2f})")
        print(f"{described.label:36}" + "".join(f"{cell:>24}" for cell in cells))


def _draw(rows: Sequence[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(7, 5.4), layout="constrained")
    axes = figure.subplots(len(RESOURCES), len(AXES), sharex="col", sharey="row")
    for (line, (name, label)), (column, axis) in itertools.product(
        enumerate(RESOURCES.items()), enumerate(AXES)
    ):
        ax = axes[line, column]
        kept = [row for row in rows if row["axis"] == axis and row[name] > 0]
        ax.loglog([row["size"] for row in kept], [row[name] for row in kept], "k.", markersize=4)
        _draw_slope(ax, *_largest(rows, axis, name))
        ax.tick_params(labelsize=7)
        ax.minorticks_off()
        if column == 0:
            ax.set_ylabel(label, fontsize=8)
        if line == len(RESOURCES) - 1:
            ax.set_xlabel(
                AXES[axis].label.replace(" of ", "\nof ").replace("epoch", "epoch*"), fontsize=7
            )
    for row_of_axes, name in zip(axes, RESOURCES, strict=True):
        row_of_axes[0].set_ylim(*_decades([row[name] for row in rows if row[name] > 0]))
    figure.supxlabel("* the time is that of an epoch, not of a step", fontsize=7)
    return figure


def _draw_slope(ax: "Axes", sizes: Sequence[float], amounts: Sequence[float]) -> None:
    """Draw the line whose slope is the exponent, and print the exponent beside it."""
    if len(set(amounts)) == 1:
        return
    fit = stats.linregress(np.log(sizes), np.log(amounts))
    ends = np.array([min(sizes), max(sizes)])
    ax.loglog(ends, np.exp(fit.intercept) * ends**fit.slope, color="C0", linewidth=1)
    ax.text(0.06, 0.9, f"exponent {fit.slope:.2f}", transform=ax.transAxes, fontsize=7, color="C0")


def _decades(amounts: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten around some amounts."""
    low, high = np.log10(min(amounts)), np.log10(max(amounts))
    return float(10 ** np.floor(low)), float(10 ** np.ceil(high))


if __name__ == "__main__":
    main()
