"""Writing data of hostile inputs, and reading them as a user would."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile_case import is_refused, jtdiag
from numpy.typing import NDArray

from jtdiag.engine.datasets import splits
from jtdiag.recipe.toml import from_table

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(5, 2, (60, 3))
"""40 training and 20 test examples."""
LABELS = np.arange(60) % 3
TRAIN, TEST = slice(40), slice(40, 60)


def arrays(
    x: NDArray[Any] = FEATURES, y: NDArray[Any] = LABELS, **changed: NDArray[Any] | None
) -> dict[str, NDArray[Any]]:
    """Return the four arrays of a file, with changes; None leaves an array out."""
    parts = {"x_train": x[TRAIN], "y_train": y[TRAIN], "x_test": x[TEST], "y_test": y[TEST]}
    return {key: array for key, array in (parts | changed).items() if array is not None}


def write(given: Mapping[str, NDArray[Any]], file: str = "data.npz") -> None:
    """Write arrays into a file in the current folder."""
    np.savez(file, **given)


def recipe(data: Mapping[str, Any], family: str = "categorical") -> dict[str, Any]:
    """Return the table of a small recipe for some data."""
    return {
        "family": family,
        "data": {"name": "data.npz", **data},
        "members": {"arch": "mlp", "count": 2, "hidden": [4]},
        "train": {"epochs": 1, "batch": 20, "lr": 0.1},
    }


def read(family: str = "categorical", **data: Any) -> splits.DataSet:
    """Return the data set as training would load it; data.name is data.npz."""
    return splits.load(from_table(recipe(data, family)), torch.device("cpu"))


def inputs(loaded: splits.DataSet) -> NDArray[np.float32]:
    """Return the inputs of both parts, as the members get them."""
    return np.concatenate([loaded.part(split).x.numpy() for split in ("train", "test")])


def labels(loaded: splits.DataSet) -> NDArray[np.int64]:
    """Return the targets of both parts."""
    return np.concatenate([loaded.part(split).y.numpy() for split in ("train", "test")])


def standardized(x: NDArray[Any], axes: tuple[int, ...] = (0,)) -> NDArray[np.float64]:
    """Return what the inputs should be: in float64, by the moments of the training part."""
    train = x[TRAIN].astype(np.float64)
    sd = train.std(axes, keepdims=True)
    return (x - train.mean(axes, keepdims=True)) / np.where(sd > 0, sd, 1)


def is_read(expected: NDArray[Any], **data: Any) -> splits.DataSet:
    """Check the inputs that members get, and return the data set."""
    loaded = read(**data)
    np.testing.assert_allclose(inputs(loaded), expected, rtol=1e-4, atol=1e-5)
    return loaded


def is_labeled(
    expected: NDArray[np.int64], classes: str, *notes: str, **data: Any
) -> splits.DataSet:
    """Check labels, the names of classes, separated by spaces, and parts of the notes."""
    loaded = read(**data)
    assert labels(loaded).tolist() == expected.tolist()
    assert loaded.classes == tuple(classes.split())
    assert len(loaded.notes) == len(notes), loaded.notes
    for note, part in zip(loaded.notes, notes, strict=True):
        assert part in note
    return loaded


def toml(family: str = "categorical", **data: Any) -> None:
    """Write recipe.toml into the current folder."""
    lines = [f"family = {family!r}", "[data]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in recipe(data)["data"].items()]
    lines += ["[members]", "arch = 'mlp'", "count = 2", "hidden = [4]"]
    lines += ["[train]", "epochs = 1", "batch = 20", "lr = 0.1"]
    Path("recipe.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_refused_by_train(*parts: str, family: str = "categorical", **data: Any) -> None:
    """Check that `jtdiag train` ends with one line, and that nothing is written."""
    toml(family, **data)
    is_refused(jtdiag("train", "recipe.toml", "--out", "run"), *parts)
    assert not Path("run").exists()


def is_said_by_train(*parts: str, family: str = "categorical", **data: Any) -> None:
    """Check that the dry run states something about the data."""
    toml(family, **data)
    ran = jtdiag("train", "recipe.toml", "--dry-run")
    assert ran.exit_code == 0, ran.output
    [line] = [line for line in ran.output.splitlines() if line.startswith("data  ")]
    assert line.isprintable()
    for part in parts:
        assert part in line, line
