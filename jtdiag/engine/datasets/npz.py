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
indices, or what `class_labels` reads as such. If the family predicts numbers, y is (N,) or (N, K)
of any numeric type. Pickled objects are never loaded.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine import wording
from jtdiag.engine.datasets import archive, rounding, units
from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.contract import DataSource
from jtdiag.errors import DataError
from jtdiag.printable import one_line
from jtdiag.recipe import class_labels
from jtdiag.recipe.image_layout import channels_last

_KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
_CLASSES: Final = "classes"
_INPUTS: Final = ("x_train", "x_test")
_WHITE: Final = 255.0
"""Value of white in images of bytes."""
_BYTES_FROM: Final = 25.0
"""A part with larger numbers is not in the units of another part that is within [0, 1]."""


def load(
    path: Path,
    *,
    numbers: bool = False,
    layout: str = "auto",
    scale: float | str = "auto",
    standardize: bool = True,
    keys: Sequence[str] = _KEYS,
) -> Arrays:
    """Return the data set in an .npz file.

    Args:
        path: The file.
        numbers: Whether y contains regression targets instead of classes.
        layout: Order of the axes of images, as in data.layout.
        scale: Number by which inputs of both parts are divided, as in data.scale.
        keys: Names of the four arrays in the file, as in data.keys.
        standardize: Whether the inputs will be centered, so that a large offset does not matter.

    Raises:
        DataError: if the file is missing or damaged, or its arrays are not as described above.
    """
    with located(path):
        raw, others = _read(path, keys)
        arrays = of_raw(raw, numbers=numbers, layout=layout, scale=scale, standardize=standardize)
        return dataclasses.replace(arrays, notes=(*arrays.notes, *others))


def of_raw(
    raw: dict[str, NDArray[Any]],
    *,
    numbers: bool = False,
    layout: str = "auto",
    scale: float | str = "auto",
    standardize: bool = True,
) -> Arrays:
    """Return the data set of arrays as they are in a file: x_train, y_train, x_test and y_test.

    Other arguments are those of `load`.

    Raises:
        DataError: if the arrays are not as described above.
    """
    y_train, y_test, classes, notes = (_targets if numbers else _labels)(raw)
    x_train, x_test = _inputs(raw, layout, scale, standardize=standardize)
    return Arrays(
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=classes,
        notes=notes,
        mean=None,
        sd=None,
    )


def _read(path: Path, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the arrays by what they contain: x_train, y_train, x_test, y_test, classes.

    The second value says which other arrays are in the file.
    """
    wanted = dict(zip((*_KEYS, _CLASSES), (*names, _CLASSES), strict=True))
    raw, available = archive.read(path, wanted)
    missing = [name for key, name in zip(_KEYS, names, strict=True) if key not in raw]
    if missing:
        raise DataError(
            f"{', '.join(missing)} missing; the file must contain {', '.join(names)}, but has "
            f"{one_line(', '.join(available), 100) or 'nothing'}; data.keys gives other names."
        )
    others = [name for name in available if name not in wanted.values()]
    return raw, (wording.other_arrays(others),) if others else ()


def _inputs(
    raw: dict[str, NDArray[Any]], layout: str, scale: float | str, *, standardize: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the inputs of both parts: features (N, D) or images (N, C, H, W)."""
    for key in _INPUTS:
        if raw[key].dtype.kind not in "biuf":
            kind = class_labels.type_of(raw[key])
            raise DataError(f"{key} has type {kind}; it must contain real numbers.")
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
        x_train, x_test = (
            part.copy() if np.may_share_memory(part, raw[key]) else part
            for key, part in zip(_INPUTS, (x_train, x_test), strict=True)
        )  # arrays in memory are the user's, and may be the same for both parts
        _divide((x_train, x_test), divisor)
    return x_train, x_test


def _divide(parts: tuple[NDArray[np.float32], ...], divisor: float) -> None:
    """Divide finite inputs in place.

    Raises:
        DataError: if they become larger than float32 can be.
    """
    largest = max(float(np.abs(part).max(initial=0)) for part in parts)
    limit = float(np.finfo(np.float32).max)  # compared with a float32, large numbers overflow
    if math.isfinite(largest) and largest / divisor > limit:
        raise DataError(
            f"divided by data.scale = {divisor:g}, some inputs exceed float32; increase data.scale."
        )
    for part in parts:  # in float64: a tiny divisor is 0 in float32
        np.divide(part, divisor, out=part, dtype=np.float64, casting="same_kind")


def _channels_last(raw: dict[str, NDArray[Any]], layout: str) -> bool:
    shape = raw["x_train"].shape
    return len(shape) == 4 and channels_last("x_train", shape, layout)


def _divisor(raw: dict[str, NDArray[Any]]) -> float:
    """Return what both parts are divided by: 255 for images of bytes, else 1.

    Raises:
        DataError: if the parts do not seem to be in the same units.
    """
    train, test = (raw[key] for key in _INPUTS)
    if min(train.ndim, test.ndim) < 2 or not train.size or not test.size:
        return 1.0
    images = min(train.ndim, test.ndim) > 2
    count_of_bytes = sum(array.dtype == np.uint8 for array in (train, test))
    if images and count_of_bytes == 2:
        return _WHITE
    highest = [float(np.max(array)) for array in (train, test)]
    contradiction = max(highest) > _BYTES_FROM and 0 < min(highest) <= 1
    if not images:
        contradiction = contradiction and _columns_differ(train, test)
    if not (contradiction or (images and count_of_bytes == 1)) or not np.isfinite(highest).all():
        return 1.0
    raise DataError(
        f"x_train has type {train.dtype} with numbers up to {highest[0]:.4g}, and x_test has type "
        f"{test.dtype} with numbers up to {highest[1]:.4g}; if both have the same units, set "
        "data.scale to the number by which both are divided, such as 255, or else convert one."
    )


def _columns_differ(train: NDArray[Any], test: NDArray[Any]) -> bool:
    """Return whether at least half of the features seem to be in other units in the two parts."""
    return train.shape[1:] == test.shape[1:] and bool(units.different_units(train, test))


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


def _numbers(key: str, raw: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return the regression targets (N, K) of a part."""
    array = raw[key]
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
        raise DataError(
            f"{key} has shape {array.shape} and type {class_labels.type_of(array)}; it must "
            "contain real numbers, (N,) or (N, K)."
        )
    return (array if array.ndim == 2 else array[:, None]).astype(np.float64)


Labels = tuple[NDArray[Any], NDArray[Any], tuple[str, ...], tuple[str, ...]]
"""Targets of both parts, names of the classes or outputs, and what was converted."""


def _targets(raw: dict[str, NDArray[Any]]) -> Labels:
    """Return regression targets; without names, outputs are "0", "1", …."""
    y_train, y_test = _numbers("y_train", raw), _numbers("y_test", raw)
    names = class_labels.names(raw.get(_CLASSES)) or tuple(map(str, range(y_train.shape[1])))
    return y_train, y_test, names, ()


def _labels(raw: dict[str, NDArray[Any]]) -> Labels:
    """Return class indices."""
    targets = {key: raw[key] for key in ("y_train", "y_test")}
    labels = class_labels.read(targets, raw.get(_CLASSES))
    return labels.train, labels.test, labels.classes, labels.notes


SOURCE = DataSource(
    name="npz",
    targets="either",
    load=load,
    load_numbers=functools.partial(load, numbers=True),
    options=("layout", "scale", "standardize", "keys"),
    uses_root=True,
)
