"""Small runs of every kind that a store can be, with results, findings and figures.

Each is trained in a second or two, on a few dozen examples. The numbers do not matter; the kinds of
files do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import jtdiag
from jtdiag import DominanceMonitor
from jtdiag.engine.progress import EpochReport, NullListener
from jtdiag.errors import JtdiagError
from jtdiag.figures.drawing import Output, plot
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.recipe.toml import from_table
from jtdiag.store.run import Run
from jtdiag.testing import toy_data

ENGINE = {"device": "cpu", "threads": 1, "execution": "stacked", "lanes": 1}
KEPT = {"splits": ["val", "test"]}
FIGURE = "errors-by-epoch"
STOPPED_AFTER = 1
"""Epoch after which the unfinished run is stopped, of 3."""


class StoppedError(Exception):
    """Ends a training in the middle."""


class StopAfter(NullListener):
    """Stops after an epoch of the last lane."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def epoch(self, report: EpochReport) -> None:
        """Stop once the second lane has come this far."""
        if report.lane.lam_index == 1 and report.epoch == self._epoch:
            raise StoppedError


def recipe(name: str, data: Path, **changes: Any) -> Any:
    """Return a recipe of two λs and one trial on some data."""
    table = {
        "name": name,
        "lam": [0.0, 0.9],
        "trials": 1,
        "data": {"name": str(data), "val": 20},
        "members": {"arch": "mlp", "count": 3, "hidden": [4]},
        "train": {"epochs": 2, "batch": 20, "lr": 0.3},
        "keep": KEPT,
        "engine": ENGINE,
    }
    return from_table(table | changes)


def mlp(path: Path, data: Path) -> Run:
    """Everything kept, two trials, and λ rising from epoch to epoch."""
    rising = {"lam_schedule": "linear"}
    return jtdiag.train(recipe(path.name, data / "points.npz", trials=2, objective=rising), path)


def bagging(path: Path, data: Path) -> Run:
    """Convolutional members with BatchNorm on bootstrap samples; the best and the last epoch."""
    return jtdiag.train(
        recipe(
            path.name,
            data / "images.npz",
            scheme="bagging",
            lam=[0.0],
            members={
                "arch": "conv",
                "count": 3,
                "filters": [2],
                "strides": [2],
                "start": [1.0, 0.5, 2.0],
            },
            keep={"outputs": ["best", "last"], "checkpoints": ["best", "last"], **KEPT},
        ),
        path,
    )


def recorded(path: Path, data: Path) -> Run:
    """Recorded by a monitor in another training loop, with outputs and parameters."""
    del data
    monitor = DominanceMonitor(lam=1, every=1, store=path, epochs=2)
    weights = {"first.weight": torch.ones(4, 6, 2), "first.bias": torch.zeros(4, 6)}
    for epoch in range(3):
        for step in range(3 if epoch else 0):
            monitor.update(*_predicted(100 * epoch + step))
        for split in ("val", "test"):
            logits, target = _predicted(100 * epoch + 50 + len(split), len(split))
            monitor.record(split, logits, target)
        monitor.end_epoch(checkpoint={name: w + epoch for name, w in weights.items()})
    return Run(path)


def _predicted(seed: int, targets: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.randint(3, (40,), generator=torch.Generator().manual_seed(targets))
    logits = torch.randn(4, 40, 3, generator=torch.Generator().manual_seed(seed))
    return logits + 2 * functional.one_hot(target, 3), target


def finished(path: Path, data: Path) -> Run:
    """What the unfinished run becomes."""
    return jtdiag.train(_unfinished(path, data), path)


def unfinished(path: Path, data: Path) -> Run:
    """Stopped in the middle of training, with the states to resume from."""
    try:
        jtdiag.train(_unfinished(path, data), path, listener=StopAfter(STOPPED_AFTER))
    except StoppedError:
        return Run(path)
    raise AssertionError("training was not stopped")


def _unfinished(path: Path, data: Path) -> Any:
    del path
    train = {"epochs": 3, "batch": 20, "lr": 0.01, "optimiser": "adamw"}
    engine = ENGINE | {"lanes": 2}
    return recipe("unfinished", data / "points.npz", train=train, engine=engine)


KINDS: dict[str, Callable[[Path, Path], Run]] = {
    "mlp": mlp,
    "bagging": bagging,
    "recorded": recorded,
    "unfinished": unfinished,
}


def make(folder: Path) -> dict[str, Path]:
    """Make all runs in a folder, with the results of all cheap probes and a figure."""
    data = folder / "data"
    data.mkdir()
    toy_data(data / "points.npz", 80, 30)
    _images(data / "images.npz")
    runs = {}
    for name, train in KINDS.items():
        runs[name] = folder / name
        _probe(train(runs[name], data))
    finished(folder / "finished", data)
    return runs


def _probe(run: Run) -> None:
    for each in PROBES.all():
        if each.cost == "cheap" and each.applies(run):
            probe(run, each)
    try:
        plot(run, FIGURE, output=Output(formats=("png",), dpi=50))
    except JtdiagError as error:
        print(f"{run.path.name}: no figure: {error}")


def _images(path: Path) -> None:
    """Write images of 6 by 6 pixels of three classes, each brighter in another row."""
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 80), ("test", 30)):
        target = np.arange(count) % 3
        images = random.normal(0, 1, (count, 1, 6, 6)).astype(np.float32)
        images[np.arange(count), 0, target] += 1.5
        arrays |= {f"x_{part}": images, f"y_{part}": target}
    np.savez(path, **arrays)
