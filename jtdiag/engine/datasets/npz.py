"""User data in one .npz file: x_train, y_train, x_test, y_test and, optionally, classes.

=============  ==========================================================================
x_…            becomes
=============  ==========================================================================
(N, D)         features, unchanged
(N, H, W)      grayscale images, (N, 1, H, W)
(N, H, W, C)   images, (N, C, H, W)
(N, C, H, W)   images, unchanged
=============  ==========================================================================

Where the shape leaves the order of the axes open, data.layout decides. Images of type uint8 are
divided by 255, others by 1, or all by data.scale; both parts by the same number. Labels are
integers of any type, (N,) or (N, 1). If the family predicts numbers, y is (N,) or (N, K) of any
numeric type. Pickled objects are never loaded.
"""

import functools
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets import rounding
from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.contract import DataSource
from jtdiag.errors import DataError
from jtdiag.recipe.image_layout import channels_last

_KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
_CLASSES: Final = "classes"
_INPUTS: Final = ("x_train", "x_test")
_WHITE: Final = 255.0
"""Value of white in images of bytes."""
_BYTES_FROM: Final = 25.0
"""A part with larger numbers is not in the units of another part that is within [0, 1]."""
_UNREADABLE: Final = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for a file that is damaged or contains pickled objects."""


def load(
    path: Path,
    *,
    numbers: bool = False,
    layout: str = "auto",
    scale: float | str = "auto",
    standardize: bool = True,
) -> Arrays:
    """Return the data set in an .npz file.

    Args:
        path: The file.
        numbers: Whether y contains regression targets instead of classes.
        layout: Order of the axes of images, as in data.layout.
        scale: Number by which inputs of both parts are divided, as in data.scale.
        standardize: Whether the inputs will be centered, so that a large offset does not matter.

    Raises:
        DataError: if the file is missing or damaged, or its arrays are not as described above.
    """
    with located(path):
        raw = _read(path)
        parse = _numbers if numbers else _labels
        y_train, y_test = parse("y_train", raw), parse("y_test", raw)
        default_names = _columns if numbers else _numbered
        x_train, x_test = _inputs(raw, layout, scale, standardize=standardize)
        return Arrays(
            x_train=x_train,
            y_train=y_train,
            x_test=x_test,
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


def _inputs(
    raw: dict[str, NDArray[Any]], layout: str, scale: float | str, *, standardize: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the inputs of both parts: features (N, D) or images (N, C, H, W)."""
    for key in _INPUTS:
        if raw[key].dtype.kind not in "biuf":
            raise DataError(f"{key} has type {raw[key].dtype}; it must contain real numbers.")
    if layout != "auto" and raw["x_train"].ndim != 4:
        raise DataError(
            f"data.layout is '{layout}', and x_train has shape {raw['x_train'].shape}; remove "
            "data.layout, which is for images (N, C, H, W) or (N, H, W, C)."
        )
    last = _channels_last(raw, layout)
    divisor = _divisor(raw) if scale == "auto" else float(scale)
    train, test = (_axes(key, raw[key], last=last) for key in _INPUTS)
    x_train, x_test = rounding.to_float32(train, test, standardize=standardize)
    if divisor != 1:
        x_train /= divisor
        x_test /= divisor
    return x_train, x_test


def _channels_last(raw: dict[str, NDArray[Any]], layout: str) -> bool:
    shape = raw["x_train"].shape
    return len(shape) == 4 and channels_last("x_train", shape, layout)


def _divisor(raw: dict[str, NDArray[Any]]) -> float:
    """Return what the images of both parts are divided by: 255 for bytes, else 1.

    Raises:
        DataError: if the parts do not seem to be in the same units.
    """
    train, test = (raw[key] for key in _INPUTS)
    if train.ndim < 3 or test.ndim < 3 or not train.size or not test.size:
        return 1.0
    bytes_train, bytes_test = train.dtype == np.uint8, test.dtype == np.uint8
    if bytes_train and bytes_test:
        return _WHITE
    highest = [float(np.max(array)) for array in (train, test)]
    contradiction = max(highest) > _BYTES_FROM and 0 < min(highest) <= 1
    if bytes_train == bytes_test and not contradiction:
        return 1.0
    raise DataError(
        f"x_train has type {train.dtype} with numbers up to {highest[0]:.4g}, and x_test has type "
        f"{test.dtype} with numbers up to {highest[1]:.4g}; if both have the same units, set "
        "data.scale to the number by which both are divided, such as 255, or else convert one."
    )


def _axes(key: str, array: NDArray[Any], *, last: bool) -> NDArray[Any]:
    """Return a view of features (N, D), or of images with the axes (N, C, H, W)."""
    if array.ndim == 2:
        return array
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4:
        raise DataError(
            f"{key} has shape {array.shape}; it must be (N, D), (N, H, W), (N, H, W, C) "
            "or (N, C, H, W)."
        )
    return array.transpose(0, 3, 1, 2) if last else array


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
    options=("layout", "scale", "standardize"),
    uses_root=True,
)
