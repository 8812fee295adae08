"""Anybody's data in one .npz file: x_train, y_train, x_test, y_test, and classes if named.

=============  ==========================================================================
x_…            becomes
=============  ==========================================================================
(N, D)         features, as they are
(N, H, W)      grey images, (N, 1, H, W)
(N, H, W, C)   images when C is 1, 3 or 4, (N, C, H, W)
(N, C, H, W)   images, kept
=============  ==========================================================================

Images of uint8 are divided by 255; all other images are taken to lie in [0, 1] and kept. Labels
are whole numbers of any type, (N,) or (N, 1). Where the family predicts numbers, y is (N,) or
(N, K), of any plain type. Pickled objects are never loaded.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.errors import DataError

_KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
_CLASSES: Final = "classes"
_CHANNELS: Final = (1, 3, 4)
_UNREADABLE: Final = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for a file that is damaged or holds pickled objects."""


def load(path: Path, *, numbers: bool = False) -> Arrays:
    """Return the data set in the file at `path`.

    Args:
        path: Of an .npz file.
        numbers: Whether y holds numbers to predict, and not classes.

    Raises:
        DataError: The file is missing or damaged, or its arrays are not as described above.
    """
    with located(path):
        raw = _read(path)
        read = _numbers if numbers else _labels
        y_train, y_test = read("y_train", raw), read("y_test", raw)
        unnamed = _columns if numbers else _numbered
        return Arrays(
            x_train=_inputs("x_train", raw),
            y_train=y_train,
            x_test=_inputs("x_test", raw),
            y_test=y_test,
            classes=_names(raw) if _CLASSES in raw else unnamed(y_train, y_test),
            mean=None,
            sd=None,
        )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays that concern us, by key."""
    if not path.is_file():
        raise DataError("there is no such file; name a file that np.savez has written.")
    if not zipfile.is_zipfile(path):
        raise DataError("this is no .npz archive, or half of one; write it with np.savez.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            wanted = [key for key in (*_KEYS, _CLASSES) if key in archive.files]
            raw = {key: np.asarray(archive[key]) for key in wanted}
    except _UNREADABLE as error:
        raise DataError(f"the archive cannot be read ({error}); write it again.") from error
    missing = [key for key in _KEYS if key not in raw]
    if missing:
        raise DataError(f"there is no {', '.join(missing)}; it must hold {', '.join(_KEYS)}.")
    return raw


def _inputs(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return one part's inputs: features (N, D), or images (N, C, H, W)."""
    given = raw[key]
    if given.dtype.kind not in "biuf":
        raise DataError(f"{key} is of type {given.dtype}; it must hold plain numbers.")
    if given.ndim == 2:
        return _float32(given)
    x = _float32(_images(key, given))
    if given.dtype == np.uint8:
        x /= 255
    return x


def _images(key: str, given: NDArray[Any]) -> NDArray[Any]:
    """Return a view of the images with the axes (N, C, H, W)."""
    if given.ndim == 3:
        return given[:, None]
    if given.ndim != 4:
        raise DataError(
            f"{key} has shape {given.shape}; it must be (N, D), (N, H, W), (N, H, W, C) "
            "or (N, C, H, W)."
        )
    if given.shape[3] not in _CHANNELS:
        return given
    if given.shape[1] in _CHANNELS:
        raise DataError(
            f"{key} has shape {given.shape}, which may be read as (N, C, H, W) or as "
            "(N, H, W, C); store grey images as (N, H, W) and others as features (N, D)."
        )
    return given.transpose(0, 3, 1, 2)


def _float32(given: NDArray[Any]) -> NDArray[np.float32]:
    """Return the numbers in float32, side by side in memory."""
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused as such
        return np.ascontiguousarray(given, dtype=np.float32)


def _labels(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Return one part's labels (N,), none of them negative."""
    given = raw[key]
    if given.shape[1:] == (1,):
        given = given[:, 0]
    if given.ndim != 1:
        raise DataError(
            f"{key} has shape {raw[key].shape}; it must be (N,) or (N, 1): a class's number, "
            "not a row of zeros and a one."
        )
    if given.dtype.kind not in "iu":
        raise DataError(f"{key} is of type {given.dtype}; labels must be integers 0..K-1.")
    labels = given.astype(np.int64)
    if (labels < 0).any():
        raise DataError(f"{key} holds the label {labels.min()}; labels must be integers 0..K-1.")
    return labels


def _numbers(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return one part's numbers to predict, (N, K)."""
    given = raw[key]
    if given.dtype.kind not in "biuf" or given.ndim not in (1, 2):
        raise DataError(
            f"{key} has shape {given.shape} and type {given.dtype}; it must hold plain numbers, "
            "(N,) or (N, K)."
        )
    return given.reshape(len(given), -1).astype(np.float64)


def _columns(y_train: NDArray[Any], y_test: NDArray[Any]) -> tuple[str, ...]:
    """Return "0", "1", …: names for numbers to predict when the file has none."""
    return tuple(str(k) for k in range(y_train.shape[1]))


def _names(raw: dict[str, NDArray[Any]]) -> tuple[str, ...]:
    """Return the classes' names as they stand in the file."""
    given = raw[_CLASSES]
    if given.ndim != 1 or given.dtype.kind not in "USiu":
        raise DataError(
            f"{_CLASSES} has shape {given.shape} and type {given.dtype}; it must be a list of "
            "names, one a class, in the order of the labels."
        )
    return tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in given)


def _numbered(y_train: NDArray[Any], y_test: NDArray[Any]) -> tuple[str, ...]:
    """Return "0", "1", …: names for the classes when the file has none.

    Without names only the labels say how many classes there are. Each class must then occur
    somewhere, or one label of 1,000,000 would make a network of a million outputs.
    """
    used = np.union1d(y_train, y_test)
    count = int(used.max(initial=-1)) + 1
    if used.size != count:
        raise DataError(
            f"the labels run up to {count - 1}, and only {used.size} of these {count} classes "
            f"occur; number the classes 0..{used.size - 1}, or name all of them in {_CLASSES}."
        )
    return tuple(str(k) for k in range(count))
