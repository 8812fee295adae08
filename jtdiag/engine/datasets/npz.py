"""User data in one .npz file: x_train, y_train, x_test, y_test and, optionally, classes.

=============  ==========================================================================
x_…            becomes
=============  ==========================================================================
(N, D)         features, unchanged
(N, H, W)      grayscale images, (N, 1, H, W)
(N, H, W, C)   images if C is 1, 3 or 4, (N, C, H, W)
(N, C, H, W)   images, unchanged
=============  ==========================================================================

Images of type uint8 are divided by 255; others are assumed to be in [0, 1]. Labels are integers of
any type, (N,) or (N, 1). If the family predicts numbers, y is (N,) or (N, K) of any numeric type.
Pickled objects are never loaded.
"""

import functools
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.contract import DataSource
from jtdiag.errors import DataError

_KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
_CLASSES: Final = "classes"
_CHANNELS: Final = (1, 3, 4)
_UNREADABLE: Final = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for a file that is damaged or contains pickled objects."""


def load(path: Path, *, numbers: bool = False) -> Arrays:
    """Return the data set in an .npz file.

    Args:
        path: The file.
        numbers: Whether y contains regression targets instead of classes.

    Raises:
        DataError: if the file is missing or damaged, or its arrays are not as described above.
    """
    with located(path):
        raw = _read(path)
        parse = _numbers if numbers else _labels
        y_train, y_test = parse("y_train", raw), parse("y_test", raw)
        default_names = _columns if numbers else _numbered
        return Arrays(
            x_train=_inputs("x_train", raw),
            y_train=y_train,
            x_test=_inputs("x_test", raw),
            y_test=y_test,
            classes=_names(raw) if _CLASSES in raw else default_names(y_train, y_test),
            mean=None,
            sd=None,
        )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays with known keys."""
    if not path.is_file():
        raise DataError("there is no such file; give the path of a file written by np.savez.")
    if not zipfile.is_zipfile(path):
        raise DataError("not a complete .npz archive; write it with np.savez.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = [key for key in (*_KEYS, _CLASSES) if key in archive.files]
            raw = {key: np.asarray(archive[key]) for key in keys}
    except _UNREADABLE as error:
        raise DataError(f"the archive cannot be read ({error}); write it again.") from error
    missing = [key for key in _KEYS if key not in raw]
    if missing:
        raise DataError(f"{', '.join(missing)} missing; the file must contain {', '.join(_KEYS)}.")
    return raw


def _inputs(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return the inputs of a part: features (N, D) or images (N, C, H, W)."""
    array = raw[key]
    if array.dtype.kind not in "biuf":
        raise DataError(f"{key} has type {array.dtype}; it must contain real numbers.")
    if array.ndim == 2:
        return _float32(array)
    x = _float32(_images(key, array))
    if array.dtype == np.uint8:
        x /= 255
    return x


def _images(key: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of the images with the axes (N, C, H, W)."""
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4:
        raise DataError(
            f"{key} has shape {array.shape}; it must be (N, D), (N, H, W), (N, H, W, C) "
            "or (N, C, H, W)."
        )
    if array.shape[3] not in _CHANNELS:
        return array
    if array.shape[1] in _CHANNELS:
        raise DataError(
            f"{key} has shape {array.shape}, which can be read as (N, C, H, W) or (N, H, W, C); "
            "store grayscale images as (N, H, W) and other images as features (N, D)."
        )
    return array.transpose(0, 3, 1, 2)


def _float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return the numbers as a contiguous float32 array."""
    with np.errstate(over="ignore"):  # overflow becomes infinity, which is rejected later
        return np.ascontiguousarray(array, dtype=np.float32)


def _labels(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Return the labels (N,) of a part; none is negative."""
    array = raw[key]
    if array.shape[1:] == (1,):
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"{key} has shape {raw[key].shape}; it must be (N,) or (N, 1), with class indices "
            "instead of one-hot rows."
        )
    if array.dtype.kind not in "iu":
        raise DataError(f"{key} has type {array.dtype}; labels must be integers 0..K-1.")
    labels = array.astype(np.int64)
    if (labels < 0).any():
        raise DataError(f"{key} contains the label {labels.min()}; labels must be integers 0..K-1.")
    return labels


def _numbers(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return the regression targets (N, K) of a part."""
    array = raw[key]
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
        raise DataError(
            f"{key} has shape {array.shape} and type {array.dtype}; it must contain real numbers, "
            "(N,) or (N, K)."
        )
    return array.reshape(len(array), -1).astype(np.float64)


def _columns(y_train: NDArray[Any], y_test: NDArray[Any]) -> tuple[str, ...]:
    """Return "0", "1", … as names of the outputs when the file has none."""
    return tuple(str(k) for k in range(y_train.shape[1]))


def _names(raw: dict[str, NDArray[Any]]) -> tuple[str, ...]:
    """Return the class names that the file contains."""
    array = raw[_CLASSES]
    if array.ndim != 1 or array.dtype.kind not in "USiu":
        raise DataError(
            f"{_CLASSES} has shape {array.shape} and type {array.dtype}; it must be a list of "
            "names, one per class, in the order of the labels."
        )
    return tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in array)


def _numbered(y_train: NDArray[Any], y_test: NDArray[Any]) -> tuple[str, ...]:
    """Return "0", "1", … as class names when the file has none.

    Without names the labels determine the number of classes. Every class must then occur, or a
    single label of 1,000,000 would create a network with a million outputs.
    """
    used = np.union1d(y_train, y_test)
    count = int(used.max(initial=-1)) + 1
    if used.size != count:
        raise DataError(
            f"the largest label is {count - 1}, but only {used.size} of these {count} classes "
            f"occur; number the classes 0..{used.size - 1}, or name all of them in {_CLASSES}."
        )
    return tuple(str(k) for k in range(count))


SOURCE = DataSource(
    name="npz",
    targets="either",
    load=load,
    load_numbers=functools.partial(load, numbers=True),
    uses_root=True,
)
