"""A first recipe for somebody's own data, with comments that say what to change."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.recipe import toml, wording
from jtdiag.recipe.budget import data_shape, held_out
from jtdiag.recipe.sizing import DataShape

MEMBERS = 8
RATE = 0.02
"""Learning rate for each member, as in the paper's experiments with perceptrons."""
STEPS = 1500
"""Smallest number of steps in a trial, which small data sets need more epochs for."""
EPOCHS = (10, 200)
BATCHES = 10
"""Smallest number of batches in an epoch, unless batches become smaller than `SMALLEST_BATCH`."""
LARGEST_BATCH, SMALLEST_BATCH = 100, 10


def recipe_text(data: str, layout: str = "auto") -> str:
    """Return a recipe for an .npz file or a named data set as TOML, with comments.

    Args:
        data: Path of the file, of which headers and targets are read, or name of the data set.
        layout: Order of the axes of images in a file, as in data.layout.

    Raises:
        DataError: if the data are unknown or cannot be read.
    """
    numbers = has_numbers(data)
    shape = data_shape(data, layout, numbers=numbers)
    name = Path(data).stem
    val = held_out(shape)
    batch = batch_size(shape.examples - val)
    about_data = wording.data_comment(shape.examples, shape.input_shape, numbers=numbers)
    lines = [
        f"# {wording.starting_title(MEMBERS, name)}",
        _field("name", name),
        _field("lam", [0, 0.5, 0.9, 1], wording.LAM_COMMENT),
        _field("trials", 3, wording.TRIALS_COMMENT),
        *([_field("family", "gaussian", wording.FAMILY_COMMENT)] if numbers else []),
        "",
        "[data]",
        _field("name", data, about_data),
        _field("val", val, wording.VAL_COMMENT),
        *([_field("layout", layout)] if layout != "auto" else []),
        "",
        "[members]",
        _field("arch", "mlp", wording.ARCH_COMMENT),
        _field("count", MEMBERS),
        _field("hidden", [_width(shape)], wording.HIDDEN_COMMENT),
        "",
        "[train]",
        _field("epochs", epochs(shape.examples - val, batch)),
        _field("batch", batch),
        _field("lr", round(RATE * MEMBERS, 6), wording.rate_comment(RATE)),
        "",
        "[keep]",
        _field("outputs", [1, 2, 3, "best", "last"], wording.KEEP_COMMENT),
        _field("checkpoints", [0, 1, 2, 3, "best", "last"]),
    ]
    return "\n".join(lines) + "\n"


def write(data: str, out: Path, layout: str = "auto") -> None:
    """Write the recipe of `recipe_text`.

    Raises:
        DataError: if the data are unknown or cannot be read.
        StoreError: if the file exists, or cannot be written.
    """
    text = recipe_text(data, layout)
    if os.path.lexists(out):
        raise StoreError(f"{out} exists; move it, or choose another file with --out.")
    try:
        files.write_atomically(out, text)
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written ({error.strerror}); choose another file with --out."
        ) from error


def _field(key: str, value: object, comment: str = "") -> str:
    text = toml.dumps({key: value}).strip()
    return f"{text}  # {comment}" if comment else text


def batch_size(examples: int) -> int:
    """Return a batch size for a number of training examples."""
    return max(1, min(LARGEST_BATCH, max(SMALLEST_BATCH, examples // BATCHES), examples))


def epochs(examples: int, batch: int) -> int:
    """Return a number of epochs for a number of training examples and a batch size."""
    fewest, most = EPOCHS
    return min(most, max(fewest, -(-STEPS * batch // max(1, examples))))


def _width(shape: DataShape) -> int:
    """Return a width for which a member is weak alone, as in an ensemble of small members."""
    return 16 if len(shape.input_shape) == 1 else 32


def has_numbers(data: str) -> bool:
    """Return whether the targets in a file are numbers that are no labels."""
    try:
        with np.load(data, allow_pickle=False) as archive:
            target = archive["y_train"]
    except Exception:  # noqa: BLE001 - what is wrong with a file is said when its shape is read
        return False
    return are_numbers(target)


def are_numbers(target: NDArray[Any]) -> bool:
    """Return whether targets are numbers that are no labels."""
    return target.dtype.kind == "f" and bool((target != np.round(target)).any())
