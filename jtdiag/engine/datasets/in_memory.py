"""Data from memory: arrays, tensors or datasets of torch, kept in a file beside the run.

Probes and `--resume` need the data again, also in another process. They are therefore written once,
as ``data-<hash>.npz`` in the folder that contains the run, and the recipe names that file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from attrs import evolve

from jtdiag import families, files
from jtdiag.engine import datasets
from jtdiag.engine.datasets import npz
from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.by_address import require_no_file_options
from jtdiag.engine.datasets.fingerprint import fingerprint
from jtdiag.engine.datasets.raw_arrays import Raw, raw_of
from jtdiag.errors import StoreError
from jtdiag.recipe.recipe import Recipe

PLACE: Final = "data"
"""The argument, in messages."""
HASH_DIGITS: Final = 12


def with_data(recipe: Recipe, data: Sequence[Any], folder: Path) -> Recipe:
    """Return a recipe whose data are in a file, which is written unless it exists.

    Args:
        recipe: Its ``data.name`` is replaced; other fields of [data] say how the data are read. For
            images as tensors (N, C, H, W), ``data.layout`` is set to "nchw".
        data: x_train, y_train, x_test and y_test, as arrays, tensors or lists; or two datasets of
            torch, for training and test, each of pairs (x, y), or of Hugging Face.
        folder: Where the file is written.

    Raises:
        DataError: if the data are not as those of an .npz file, or the recipe has ``data.keys`` or
            ``data.resize``.
        StoreError: if the file cannot be written.
    """
    require_no_file_options(recipe.data.options)
    with located(PLACE):
        raw, channels_first = raw_of(data)
        if channels_first and recipe.data.layout == "auto":
            recipe = evolve(recipe, data=evolve(recipe.data, layout="nchw"))
        numbers = not families.find(recipe.family).classes
        arrays = npz.of_raw(raw, numbers=numbers, **recipe.data.options)
    path = folder / f"data-{fingerprint(arrays)[:HASH_DIGITS]}.npz"
    if not path.exists():
        _write(path, raw)
    return evolve(recipe, data=evolve(recipe.data, name=str(path)))


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
        raw, channels_first = raw_of(data)
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
