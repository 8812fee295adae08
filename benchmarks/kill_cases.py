"""What `kills.py` interrupts: small runs of many kinds, and the commands that read them."""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

RUN = "run"
"""Folder of the run, in the folder of a case."""
MODULE = '''"""Members of the cases with modules of a user."""

import torch
from torch import nn


def member():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)
    )


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(64, 6)
        self.heads = nn.ModuleList(nn.Linear(6, 3) for _ in range(3))

    def forward(self, x):
        features = torch.relu(self.trunk(x.flatten(1)))
        return torch.stack([head(features) for head in self.heads], dim=1)


def network():
    return Branches()
'''
BASE: dict[str, Any] = {
    "name": RUN,
    "lam": [0, 1],
    "trials": 2,
    "seed": 3,
    "data": {"name": "data.npz", "val": 20},
    "members": {"arch": "mlp", "count": 3, "hidden": [5]},
    "train": {"epochs": 3, "batch": 20, "lr": 0.1},
    "keep": {"splits": ["train", "val", "test"]},
    "engine": {"device": "cpu", "threads": 1, "execution": "stacked", "products": "float32"},
}
CONV = {"arch": "conv", "count": 3, "filters": [3, 4], "strides": [1, 2]}
ALERT = "sh -c 'sleep 60 2>/dev/null & sleep 0.02'"
"""A command for alerts that leaves a process running."""


@dataclass(frozen=True)
class Case:
    """Work that is interrupted and begun again until it succeeds."""

    name: str
    prepare: Callable[[Path], object]
    """Puts the files that the work needs into a folder."""
    work: Callable[[], object]
    """The work, in the current folder; a call after an interruption goes on."""
    command: tuple[str, ...] = ()
    """The same work as arguments of jtdiag; empty if it is no command."""
    intact: bool = True
    """Whether the store is intact whenever the work is interrupted."""


def cases() -> list[Case]:
    """Return all cases."""
    training = [_training(name, *change) for name, change in _TRAININGS.items()]
    readers = [
        _command(f"jtdiag {name}", _with_run, name, RUN, *arguments)
        for name, arguments in _READERS.items()
    ]
    repair = Case("jtdiag check --repair", _with_damage, _repair, intact=False)
    return [
        *training,
        _command("jtdiag study", _with_study, "study", "study.toml", "--out", "study"),
        *readers,
        repair,
        Case("recording by a monitor", _with_nothing, _record),
    ]


_STOPPED = {
    "alerts": {"stop_on": ["divergence"]},
    "train": {"epochs": 4, "lr": [0.1, 1e12]},
}
_TRAININGS: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "mlp": ({}, ()),
    "several lanes at once": ({"engine": {"lanes": 3}}, ()),
    "lanes that a rule stops, at once": ({**_STOPPED, "engine": {"lanes": 2}}, ()),
    "alerts, and a command for them": (_STOPPED, ("--on-alert", ALERT)),
    "best and last epochs only": (
        {"keep": {"outputs": ["best", "last"], "checkpoints": ["best"]}, "train": {"epochs": 5}},
        (),
    ),
    "schedule of lambda": (
        {"objective": {"lam_schedule": "linear", "drop": 0.3}, "train": {"optimiser": "adamw"}},
        (),
    ),
    "lambda lowered by a rule": (
        {"alerts": {"lower_lam": 0.5, "lower_on": ["divergence"]}, "train": {"lr": [0.1, 1e12]}},
        (),
    ),
    "bagging": ({"scheme": "bagging", "lam": 0}, ()),
    "bagging with separate batches": (
        {"scheme": "bagging", "lam": 0, "bootstrap": "batches", "keep": {"dtype": "float16"}},
        (),
    ),
    "unequal starts, soap": (
        {"members": {"start_spread": [0.5, 2]}, "train": {"optimiser": "soap", "clip": 1.0}},
        (),
    ),
    "modules with local losses": (
        {
            "members": {"hidden": [5, 4], "norm": "batch"},
            "modules": {"credit": "local", "loss": "predsim", "mu": 0.5},
            "train": {"optimiser": "adamw"},
        },
        (),
    ),
    "modules one after the other": (
        {
            "members": {"hidden": [5, 4], "norm": "batch"},
            "modules": {"credit": "proxy", "epochs": [1, 2, 1], "pairs": 0.5},
            "train": {"epochs": 4},
        },
        (),
    ),
    "conv": ({"members": CONV, "data": {"augment": ["crop", "flip"]}}, ()),
    "conv in bfloat16": ({"members": CONV, "engine": {"products": "bfloat16"}}, ()),
    "densenet": (
        {
            "members": {"arch": "densenet", "count": 2, "depth": 10, "growth": 2},
            "lam": 0.5,
            "trials": 1,
        },
        (),
    ),
    "resnext": (
        {
            "members": {"arch": "resnext", "count": 2, "blocks": [1, 1, 1, 1], "width": 2},
            "engine": {"execution": "loop"},
            "lam": 1,
            "trials": 1,
            "train": {"epochs": 2},
        },
        (),
    ),
    "branches of one network": (
        {
            "members": {"arch": "branches", "count": 3, "factory": "mine.py:network"},
            "engine": {"execution": "loop"},
        },
        (),
    ),
    "module, vmap": (
        {
            "members": {"arch": "module", "count": 3, "factory": "mine.py:member"},
            "engine": {"execution": "vmap"},
        },
        (),
    ),
    "module, loop, float64": (
        {
            "members": {"arch": "module", "count": 3, "factory": "mine.py:member"},
            "engine": {"execution": "loop", "precision": "float64"},
        },
        (),
    ),
    "numbers as targets": (
        {"family": "gaussian", "data": {"name": "numbers.npz"}, "train": {"lr": 0.01}},
        (),
    ),
}
_READERS = {
    "probe": ("dominance", "diversity", "calibration", "robustness", "alerts"),
    "report": (),
}


def _training(name: str, changes: Mapping[str, Any], options: tuple[str, ...]) -> Case:
    def prepare(folder: Path) -> None:
        _write(folder, changes)

    train = ("train", "recipe.toml", "--out", RUN, "--resume", *options)
    return _command(name, prepare, *train)


def _command(name: str, prepare: Callable[[Path], object], *arguments: str) -> Case:
    return Case(name, prepare, lambda: invoke(*arguments), arguments)


def invoke(*arguments: str) -> None:
    """Run a command of jtdiag in this process; it ends with SystemExit."""
    from jtdiag.commands import main

    main(list(arguments), prog_name="jtdiag")


def _write(folder: Path, changes: Mapping[str, Any]) -> None:
    folder.mkdir()
    (folder / "mine.py").write_text(MODULE, encoding="utf-8")
    (folder / "recipe.toml").write_text(tomli_w.dumps(merged(BASE, changes)), encoding="utf-8")
    _write_data(folder)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with changes; those of members of another architecture replace them all."""
    result = dict(base)
    for key, value in changes.items():
        replaced = key == "members" and "arch" in value
        is_section = isinstance(value, Mapping) and not replaced
        result[key] = {**result.get(key, {}), **value} if is_section else value
    return result


def _write_data(folder: Path) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((130, 1, 8, 8)).astype(np.float32)
    classes = (x[:, 0, 0, 0] > 0).astype(np.int64) + (x[:, 0, 1, 1] > 0)
    for name, y in (("data", classes), ("numbers", x[:, 0, 0, :2] + x[:, 0, 1, :2])):
        parts = {"x_train": x[:100], "y_train": y[:100], "x_test": x[100:], "y_test": y[100:]}
        np.savez(folder / f"{name}.npz", **parts)


def _with_nothing(folder: Path) -> None:
    folder.mkdir()


def _with_run(folder: Path) -> None:
    """Copy a finished run, which the first call of a case has trained in the folder above."""
    shutil.copytree(folder.with_name("trained"), folder)


def _with_damage(folder: Path) -> None:
    """Copy a finished run and damage one of its chunks."""
    _with_run(folder)
    chunk = folder / RUN / "store.zarr/checkpoints/layer1.bias/c/1/0/2/0/0"
    chunk.write_bytes(b"another chunk")


def _repair() -> None:
    """Repair a run; a lane that is already being trained again is finished."""
    for command in (("check", RUN, "--repair"), ("train", RUN, "--resume")):
        with contextlib.suppress(SystemExit):
            invoke(*command)


def _with_study(folder: Path) -> None:
    _write(folder, {})
    recipe = merged(BASE, {"keep": {"splits": ["val", "test"]}, "train": {"epochs": 2}})
    runs = {
        "joint": {"lam": [0, 1]},
        "single": {
            "scheme": "single",
            "lam": 1,
            "members": {"arch": "mlp", "count": 1, "hidden": [15]},
        },
    }
    del recipe["lam"], recipe["name"]
    study = {"name": "study", **recipe, "runs": runs}
    (folder / "study.toml").write_text(tomli_w.dumps(study), encoding="utf-8")


def _record() -> None:
    """Train members in a loop of one's own, and record them."""
    import torch

    from jtdiag import DominanceMonitor

    monitor = DominanceMonitor(lam=1, every=1, store=RUN, epochs=4, resume=0, strict=True)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 4, 5, generator=generator)
    for epoch in range(1, 5):
        for _ in range(3):
            x = torch.randn(20, 4, generator=generator)
            weights += 0.01 * epoch
            monitor.update(torch.einsum("nd,mdk->mnk", x, weights), x.argmax(1))
        held_out = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
        logits = torch.einsum("nd,mdk->mnk", held_out, weights)
        monitor.record("test", logits, held_out.argmax(1))
        monitor.end_epoch(checkpoint={"weight": weights})


def train_first(folder: Path) -> None:
    """Train the run that the commands which read a run are given."""
    _write(folder, {})


with contextlib.suppress(ImportError):  # so that forks need not import it
    import torch  # noqa: F401
