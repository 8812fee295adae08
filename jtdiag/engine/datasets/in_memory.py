"""Data from memory: arrays, tensors or datasets of torch, kept in a file beside the run.

Probes and `--resume` need the data again, also in another process. They are therefore written once,
as ``data-<hash>.npz`` in the folder that contains the run, and the recipe names that file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from attrs import evolve
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from jtdiag import families, files
from jtdiag.engine import datasets
from jtdiag.engine.datasets import npz
from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.fingerprint import fingerprint
from jtdiag.errors import DataError, StoreError
from jtdiag.recipe.recipe import Recipe

KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
PLACE: Final = "data"
"""The argument, in messages."""
HASH_DIGITS: Final = 12
Raw = dict[str, NDArray[Any]]


def with_data(recipe: Recipe, data: Sequence[Any], folder: Path) -> Recipe:
    """Return a recipe whose data are in a file, which is written unless it exists.

    Args:
        recipe: Its ``data.name`` is replaced; other fields of [data] say how the data are read. For
            images as tensors (N, C, H, W), ``data.layout`` is set to "nchw".
        data: x_train, y_train, x_test and y_test, as arrays, tensors or lists; or two datasets of
            torch, for training and test, each of pairs (x, y).
        folder: Where the file is written.

    Raises:
        DataError: if the data are not as those of an .npz file.
        StoreError: if the file cannot be written.
    """
    with located(PLACE):
        raw, channels_first = _raw(data)
        if channels_first and recipe.data.layout == "auto":
            recipe = evolve(recipe, data=evolve(recipe.data, layout="nchw"))
        numbers = not families.find(recipe.family).classes
        options = {k: v for k, v in recipe.data.options.items() if k not in ("keys", "resize")}
        arrays = npz.of_raw(raw, numbers=numbers, **options)
    path = folder / f"data-{fingerprint(arrays)[:HASH_DIGITS]}.npz"
    if not path.exists():
        _write(path, raw)
    return evolve(recipe, data=evolve(recipe.data, name=str(path), keys=()))


def arrays_of(data: str | Sequence[Any], *, numbers: bool) -> Arrays:
    """Return data in memory, or those with a name or at a path, as arrays.

    Args:
        data: As in `with_data`; or what data.name of a recipe may be.
        numbers: Whether targets are numbers.

    Raises:
        DataError: if the data are missing or invalid.
    """
    if isinstance(data, str):
        return datasets.load(data, Path("data"), numbers=numbers)
    with located(PLACE):
        raw, channels_first = _raw(data)
        return npz.of_raw(raw, numbers=numbers, layout="nchw" if channels_first else "auto")


def _write(path: Path, raw: Raw) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as draft, draft.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **raw)
    except OSError as error:
        raise StoreError(
            f"{path}: the data cannot be written: {error.strerror}. Choose another folder as out."
        ) from error


def _raw(data: Sequence[Any]) -> tuple[Raw, bool]:
    """Return the four arrays by name, and whether the inputs are tensors (N, C, H, W)."""
    if not isinstance(data, tuple | list) or len(data) not in (2, 4):
        raise DataError(
            f"it is {_described(data)}; it must be (x_train, y_train, x_test, y_test), or two "
            "datasets of torch, (train, test)."
        )
    if len(data) == 2:
        parts = [_examples(name, part) for name, part in zip(("train", "test"), data, strict=True)]
        values = [value for part in parts for value in part]
    else:
        values = list(data)
    raw = {key: _array(key, value) for key, value in zip(KEYS, values, strict=True)}
    return raw, isinstance(values[0], Tensor) and values[0].ndim == 4


def _examples(name: str, part: Any) -> tuple[Any, Any]:
    """Return the inputs and the targets of a dataset of torch."""
    if isinstance(part, TensorDataset) and len(part.tensors) == 2:
        return part.tensors[0], part.tensors[1]
    if not isinstance(part, Dataset) or not hasattr(part, "__len__"):
        raise DataError(
            f"the {name} part is {_described(part)}; it must be a dataset of torch with a length, "
            "or pass (x_train, y_train, x_test, y_test)."
        )
    pairs = [part[i] for i in range(len(part))]
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise DataError(
            f"the examples of the {name} part must be pairs (x, y), and there must be at least one."
        )
    inputs, targets = zip(*pairs, strict=True)
    return _stacked(f"x_{name}", inputs), _stacked(f"y_{name}", targets)


def _stacked(key: str, values: Sequence[Any]) -> Any:
    """Return values of single examples along a new first axis; a tensor if they are tensors."""
    try:
        if all(isinstance(value, Tensor) for value in values):
            return torch.stack(list(values))
        return np.stack([_array(key, value) for value in values])
    except DataError:
        raise
    except (RuntimeError, ValueError) as error:
        shapes = sorted({str(np.shape(value)) for value in values})
        raise DataError(
            f"the examples of {key} have different shapes, {', '.join(shapes[:3])}; they must have "
            "the same."
        ) from error


def _array(key: str, value: Any) -> NDArray[Any]:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value.numpy()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{key} is {_described(value)}, which is not an array.") from error
    if array.dtype == object and all(isinstance(item, str) for item in array.flat):
        array = array.astype(str)
    if array.dtype == object:
        raise DataError(
            f"{key} is an array of Python objects; it must contain numbers, or names of classes."
        )
    return array


def _described(value: Any) -> str:
    length = f" of length {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {type(value).__name__}{length}"
