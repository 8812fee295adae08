"""Modules of users: written to a file, trained as a user would, and compared with plain torch."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from hostile_case import is_refused, jtdiag
from torch import nn

from jtdiag import Run
from jtdiag.replay import Replay

FEATURES, CLASSES, EXAMPLES, HELD_OUT = 6, 3, 20, 4
PRELUDE = f"""
import torch
from torch import nn
from torch.nn import functional as F

D, K = {FEATURES}, {CLASSES}


class Net(nn.Module):
    def __init__(self, forward=None, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.head = nn.Linear(D, K)
        self.own = forward

    def forward(self, x):
        return self.own(self, x) if self.own else self.head(x)


"""
RECIPE = """
lam = {lam}
trials = {trials}
[data]
name = "data.npz"
val = {val}
[members]
arch = "module"
count = {count}
factory = "net.py:make"
[train]
epochs = {epochs}
batch = {batch}
lr = 0.3
momentum = 0.0
[engine]
device = "cpu"
threads = 1
execution = "{execution}"
layout = "channels_first"
precision = "{precision}"
"""


def write(folder: Path, body: str, **changes: object) -> None:
    """Write a file that defines `make`, data of three classes, and a recipe of full batches."""
    fields: dict[str, object] = {
        "lam": [0, 1],
        "trials": 1,
        "val": HELD_OUT,
        "count": 2,
        "epochs": 1,
        "batch": EXAMPLES - HELD_OUT,
        "execution": "loop",
        "precision": "float64",
    }
    (folder / "net.py").write_text(PRELUDE + body, encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE.format(**fields | changes), encoding="utf-8")
    random = np.random.default_rng(0)
    x = random.normal(size=(EXAMPLES + 9, FEATURES))
    y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
    arrays = {"x_train": x[:EXAMPLES], "y_train": y[:EXAMPLES]}
    np.savez(folder / "data.npz", **arrays, x_test=x[EXAMPLES:], y_test=y[EXAMPLES:])


def trained(folder: Path, body: str, *said: str, **changes: object) -> Run:
    """Train a module with `jtdiag train`, which says these things and nothing else about it."""
    write(folder, body, **changes)
    ran = jtdiag("train", "recipe.toml", "--out", "run")
    assert ran.exit_code == 0, ran.output
    remarks = [line for line in ran.output.splitlines() if line.startswith("Members: ")]
    assert len(remarks) == bool(said), ran.output
    for part in said:
        assert re.search(part, remarks[0]), remarks[0]
    return Run(folder / "run")


def refused(folder: Path, body: str, *parts: str, **changes: object) -> None:
    """Check that `jtdiag train` refuses a module in one line, before anything is written."""
    write(folder, body, **changes)
    is_refused(jtdiag("train", "recipe.toml", "--out", "run"), "members.factory", *parts)
    assert not (folder / "run").exists()


def is_as_by_torch(run: Run) -> None:
    """Check that one epoch of one batch is a step of plain torch, for all parameters and buffers.

    The modules are those of the user, called as they are, with SGD and Eq. 4 written out.
    """
    make = user_file(run.path.parent / "net.py").make
    for lane in run.lanes:
        x, y = Replay.of(run, lane, 0).examples("train")
        start, end = run.checkpoint(lane, 0), run.checkpoint(lane, 1)
        members = [make().double() for _ in range(run.recipe.members.count)]
        for j, member in enumerate(members):
            _load(member, {name: torch.as_tensor(array[j]) for name, array in start.items()})
        logits = torch.stack([member.train()(x.double().clone()) for member in members])
        lam = run.lam(lane)
        joint = nn.functional.cross_entropy(logits.mean(0), y)
        own = sum(nn.functional.cross_entropy(own_logits, y) for own_logits in logits) / len(logits)
        (lam * joint + (1 - lam) * own).backward()
        for j, member in enumerate(members):
            torch.optim.SGD((p for p in member.parameters() if p.requires_grad), 0.3).step()
            for name, tensor in tensors(member).items():
                np.testing.assert_allclose(
                    end[name][j], tensor.detach().numpy(), atol=1e-10, err_msg=name
                )


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and buffers by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@torch.no_grad()
def _load(module: nn.Module, values: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors(module).items():
        tensor.copy_(values[name])


def moved(run: Run, name: str) -> float:
    """Return how far a parameter or buffer has moved at most, over all lanes and members."""
    last = run.recipe.train.epochs
    pairs = [
        (run.checkpoint(lane, 0)[name], run.checkpoint(lane, last)[name]) for lane in run.lanes
    ]
    return max(float(np.abs(after.astype(float) - before).max()) for before, after in pairs)


def user_file(path: Path) -> ModuleType:
    """Import a user's file, as if by hand."""
    spec = importlib.util.spec_from_file_location(f"users_net_{abs(hash(path))}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
