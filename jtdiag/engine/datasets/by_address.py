"""Data sets by an address: a function of the user, torchvision, or a folder of Hugging Face.

========================  =========================================================================
data.name                 data
========================  =========================================================================
file.py:function          what the function returns, (x_train, y_train, x_test, y_test) or two
                          datasets, (train, test); also package.module:function
torchvision:CLASS         the training and the test part of ``torchvision.datasets.CLASS``, in
                          data.root; nothing is downloaded
huggingface:FOLDER        a DatasetDict with train and test that ``save_to_disk`` has written
========================  =========================================================================
"""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jtdiag import loading
from jtdiag.engine.datasets import npz
from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.raw_arrays import raw_of
from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.errors import DataError, nearest
from jtdiag.printable import one_line, reason

TORCHVISION: Final = "torchvision"
HUGGINGFACE: Final = "huggingface"
PARTS: Final = ("train", "test")
NOT_TAKEN: Final = ("keys", "resize")
"""Fields of [data] for files."""


def load(name: str, root: Path, *, numbers: bool, options: Mapping[str, Any]) -> Arrays:
    """Return the data set at an address.

    Args:
        name: The address, as data.name.
        root: Folder of files of torchvision, as data.root.
        numbers: Whether targets are numbers.
        options: Fields of [data] that are set.

    Raises:
        DataError: if it cannot be imported, fails, or returns something else.
    """
    require_no_file_options(options)
    with located(name):
        raw, channels_first = raw_of(_data(name, root))
        if channels_first:
            options = {"layout": "nchw", **options}
        return npz.of_raw(raw, numbers=numbers, **options)


def require_no_file_options(options: Mapping[str, Any]) -> None:
    """Check that no field of [data] is set that says how files are read.

    Raises:
        DataError: if one is.
    """
    for option in NOT_TAKEN:
        if option in options:
            raise DataError(f"data.{option} is set, which only data in files use; remove it.")


def _data(name: str, root: Path) -> Any:
    library, _, rest = name.partition(":")
    if library == TORCHVISION:
        return _of_torchvision(rest, root)
    if library == HUGGINGFACE:
        return _of_huggingface(rest)
    function = loading.load("data.name", name, "function", DataError)
    try:
        return function()
    except Exception as error:  # a user's function may raise anything
        raise DataError(f"the function fails: {reason(error, 200)}") from error


def _of_torchvision(name: str, root: Path) -> tuple[Any, Any]:
    """Return the training and the test part of a data set of torchvision."""
    available = import_torchvision().datasets
    kind = getattr(available, name, None)
    if not isinstance(kind, type):
        raise DataError(f"torchvision has no data set '{name}'.{nearest(name, available.__all__)}")
    parameters = inspect.signature(kind).parameters
    if "train" not in parameters and "split" not in parameters:
        raise DataError(
            "it has no training and test part; load it in a function, file.py:function."
        )
    by_flag = "train" in parameters
    parts = [{"train": part == "train"} if by_flag else {"split": part} for part in PARTS]
    try:
        return kind(str(root), **parts[0]), kind(str(root), **parts[1])
    except (RuntimeError, OSError) as error:
        arguments = "train=True" if by_flag else "split='train'"
        raise DataError(
            f"it cannot be read in {root} ({one_line(str(error), 80)}); to download it: "
            f"torchvision.datasets.{name}('{root}', {arguments}, download=True)."
        ) from error


def _of_huggingface(folder: str) -> Any:
    """Return the parts of a data set that was saved to a folder."""
    try:
        package = importlib.import_module("datasets")
    except ImportError as error:
        raise DataError(
            "the package datasets is not installed, and this data set needs it: pip install "
            "datasets."
        ) from error
    try:
        return package.load_from_disk(folder)
    except OSError as error:
        raise DataError(
            f"it cannot be read ({one_line(str(error), 100)}); save it with save_to_disk, with the "
            "parts train and test."
        ) from error
