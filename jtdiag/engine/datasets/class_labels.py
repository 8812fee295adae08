"""Labels of classes in the forms that files contain, as indices 0..K-1 with the names of classes.

Indices, one-hot rows, names, booleans, whole numbers in floating point and 1..K have one meaning;
anything else is refused.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine import wording
from jtdiag.errors import DataError

Parts = dict[str, NDArray[Any]]
"""Labels by the name of their array, y_train and y_test."""
_EXPECTED: Final = (
    "labels must be integers 0..K-1 or 1..K, names, booleans, or one-hot rows of 0 and 1"
)


@dataclass(frozen=True, kw_only=True)
class ClassLabels:
    """Labels of both parts as indices, (N,) int64, and what was converted."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def read(raw: Parts, names: tuple[str, ...] | None) -> ClassLabels:
    """Return the labels of both parts as indices.

    Args:
        raw: y_train and y_test, (N,), (N, 1) or (N, K).
        names: Class names in the file, in the order of the indices; None if there are none.

    Raises:
        DataError: if the labels have no meaning, or several.
    """
    parts = {key: _column(array) for key, array in raw.items()}
    notes: list[str] = []
    if all(array.ndim == 2 for array in parts.values()):
        names = names or _numbers(_width(parts))
        parts = {key: _from_one_hot(key, array) for key, array in parts.items()}
        notes.append(wording.one_hot())
    for key, array in parts.items():
        if array.ndim != 1:
            raise DataError(f"{key} has shape {raw[key].shape}; {_EXPECTED}.")
    kinds = {"U" if array.dtype.kind in "US" else array.dtype.kind for array in parts.values()}
    if kinds == {"U"}:
        parts, names = _from_words(parts, names)
        notes += [wording.words(names)]
    elif kinds == {"b"}:
        notes.append(wording.truth_values())
        names = names or ("False", "True")
    elif "f" in kinds:
        parts = {key: _whole(key, array) for key, array in parts.items()}
        notes.append(wording.whole_floats())
    return _indices(parts, names, notes)


def _column(array: NDArray[Any]) -> NDArray[Any]:
    return array[:, 0] if array.shape[1:] == (1,) else array


def _width(parts: Parts) -> int:
    widths = {key: array.shape[1] for key, array in parts.items()}
    if len(set(widths.values())) > 1:
        text = " and ".join(f"{key} has {width} columns" for key, width in widths.items())
        raise DataError(f"{text}; one-hot rows must have one column per class in both.")
    return next(iter(widths.values()))


def _from_one_hot(key: str, array: NDArray[Any]) -> NDArray[np.int64]:
    numeric = array.dtype.kind in "biuf"
    if not numeric or not (((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all()):
        raise DataError(
            f"{key} has shape {array.shape}, but its rows are not one-hot (a single 1, otherwise "
            f"0); {_EXPECTED}."
        )
    return np.argmax(array, axis=1)


def _from_words(parts: Parts, names: tuple[str, ...] | None) -> tuple[Parts, tuple[str, ...]]:
    texts = {key: np.array([text(item) for item in array]) for key, array in parts.items()}
    used = sorted({str(word) for array in texts.values() for word in array})
    unknown = [word for word in used if names is not None and word not in names]
    if unknown:
        raise DataError(
            f"the labels include {unknown[0]!r}, which is not among the names in classes; add it "
            "to classes, or omit classes."
        )
    names = names or tuple(used)
    index = {name: i for i, name in enumerate(names)}
    indices = {
        key: np.array([index[str(word)] for word in array], np.int64)
        for key, array in texts.items()
    }
    return indices, names


def _whole(key: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(array) & (array == np.round(array)) & (np.abs(array) < 2**53)
    if not whole.all():
        raise DataError(
            f"{key} contains {float(array[~whole][0]):g}; {_EXPECTED}. For regression, set family "
            "= 'gaussian'."
        )
    return array.astype(np.int64)


def _indices(parts: Parts, names: tuple[str, ...] | None, notes: list[str]) -> ClassLabels:
    """Return integer labels as indices from 0; 1..K are shifted if that is what they must be."""
    for key, array in parts.items():
        if array.dtype.kind not in "biu":
            raise DataError(f"{key} has type {array.dtype}; {_EXPECTED}.")
    train, test = (array.astype(np.int64) for array in parts.values())
    for key, array in (("y_train", train), ("y_test", test)):
        if (array < 0).any():
            raise DataError(f"{key} contains the label {array.min()}; {_EXPECTED}.")
    used = np.union1d(train, test)
    highest = int(used.max(initial=-1))
    count = len(names) if names is not None else used.size
    if used.size and used[0] == 1 and highest == count > 1:
        notes.append(wording.from_one(count))
        train, test = train - 1, test - 1
        names = names or _numbers(count, first=1)
    if names is None:
        names = _numbered(used)
    return ClassLabels(train=train, test=test, classes=names, notes=tuple(notes))


def _numbered(used: NDArray[np.int64]) -> tuple[str, ...]:
    """Return "0", "1", … as class names when the file has none.

    Without names the labels determine the number of classes. Every class must then occur, or a
    single label of 1,000,000 would create a network with a million outputs.
    """
    count = int(used.max(initial=-1)) + 1
    if used.size != count:
        raise DataError(
            f"the largest label is {count - 1}, but only {used.size} of these {count} classes "
            f"occur; number the classes 0..{used.size - 1}, or name all of them in classes."
        )
    return _numbers(count)


def _numbers(count: int, first: int = 0) -> tuple[str, ...]:
    return tuple(str(k) for k in range(first, first + count))


def text(item: object) -> str:
    """Return a name in a file as text; bytes are UTF-8."""
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
