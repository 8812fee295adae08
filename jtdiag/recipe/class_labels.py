"""Labels of classes in the forms that files contain, as indices 0..K-1 with the names of classes.

Indices, one-hot rows, names, booleans, whole numbers in floating point and 1..K have one meaning;
anything else is refused.
"""

import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import DataError, shortened, shown
from jtdiag.recipe import wording

Labels = NDArray[np.int64]
Parts = dict[str, NDArray[Any]]
"""Labels by the name of their array, y_train and y_test."""
_EXPECTED: Final = (
    "labels must be integers 0..K-1 or 1..K, names, booleans, or one-hot rows of 0 and 1"
)
_LONGEST: Final = 60
"""Characters of a type or list in a message."""


@dataclass(frozen=True, kw_only=True)
class ClassLabels:
    """Labels of both parts as indices, (N,) int64, and what was converted."""

    train: Labels
    test: Labels
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def read(raw: Parts, classes: NDArray[Any] | None = None) -> ClassLabels:
    """Return the labels of both parts as indices.

    Args:
        raw: y_train and y_test, (N,), (N, 1) or (N, K).
        classes: Names or numbers of the classes in the file, in the order of the indices; None if
            there are none.

    Raises:
        DataError: if the labels have no meaning, or several.
    """
    class_names = names(classes)
    numbers = classes if classes is not None and classes.dtype.kind in "iu" else None
    parts = {key: _column(key, array) for key, array in raw.items()}
    notes: list[str] = []
    if all(array.ndim == 2 for array in parts.values()):
        class_names, numbers = class_names or _numbers(_width(parts)), None
        parts = {key: _from_one_hot(key, array) for key, array in parts.items()}
        notes.append(wording.one_hot())
    for key, array in parts.items():
        if array.ndim != 1:
            raise DataError(f"{key} has shape {raw[key].shape}; {_EXPECTED}.")
    kinds = {"U" if array.dtype.kind in "US" else array.dtype.kind for array in parts.values()}
    if kinds == {"U"}:
        notes.append(
            wording.words(class_names or _used_words(parts), ordered=class_names is not None)
        )
        parts, class_names = _from_words(parts, class_names)
        numbers = None
    elif kinds == {"b"}:
        notes.append(wording.truth_values())
        class_names = class_names or ("False", "True")
    elif "f" in kinds:
        parts = {key: _whole(key, array) for key, array in parts.items()}
        notes.append(wording.whole_floats())
    train, test = _integers(parts)
    if numbers is not None:
        train, test = _places(train, test, numbers)
    return _indices(train, test, class_names, notes)


def names(classes: NDArray[Any] | None) -> tuple[str, ...] | None:
    """Return the names in the array `classes` of a file; None if there is no such array.

    Raises:
        DataError: if it is not a list of names or whole numbers.
    """
    if classes is None:
        return None
    if classes.ndim != 1 or classes.dtype.kind not in "USiu" or not classes.size:
        raise DataError(
            f"classes has shape {classes.shape} and type {type_of(classes)}; it must be a list of "
            "names, one per class, in the order of the labels."
        )
    _check_characters("classes", classes)
    return tuple(_text(name) for name in classes)


def _check_characters(key: str, array: NDArray[Any]) -> None:
    """Check that text consists of characters; Python fails on other numbers in their place."""
    if array.dtype.kind != "U" or not array.size or not array.dtype.itemsize:
        return
    numbers = np.ascontiguousarray(array).view(f"{array.dtype.str[0]}u4")
    if numbers.max() > sys.maxunicode:
        raise DataError(f"{key} contains text with invalid characters; write the file again.")


def _column(key: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array (N, 1) as (N,), and others as they are, after checking the characters."""
    _check_characters(key, array)
    return array[:, 0] if array.shape[1:] == (1,) else array


def _width(parts: Parts) -> int:
    widths = {key: array.shape[1] for key, array in parts.items()}
    if len(set(widths.values())) > 1:
        text = " and ".join(f"{key} has {width} columns" for key, width in widths.items())
        raise DataError(f"{text}; one-hot rows must have one column per class in both.")
    return next(iter(widths.values()))


def _from_one_hot(key: str, array: NDArray[Any]) -> Labels:
    numeric = array.dtype.kind in "biuf"
    if not numeric or not (((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all()):
        raise DataError(
            f"{key} has shape {array.shape}, but its rows are not one-hot (a single 1, otherwise "
            f"0); {_EXPECTED}."
        )
    return np.argmax(array, axis=1)


def _used_words(parts: Parts) -> list[str]:
    return sorted({_text(word) for array in parts.values() for word in np.unique(array)})


def _from_words(parts: Parts, names: tuple[str, ...] | None) -> tuple[Parts, tuple[str, ...]]:
    used = _used_words(parts)
    if "" in used:
        key = next(key for key, array in parts.items() if "" in map(_text, array))
        raise DataError(f"{key} contains an empty name; name the class, or remove the examples.")
    if names is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"classes contains {shown(twice)} twice, and labels are names; rename one of them."
        )
    unknown = [word for word in used if names is not None and word not in names]
    if unknown:
        raise DataError(
            f"the labels include {shown(unknown[0])}, which is not among the names in classes; "
            "add it to classes, or omit classes."
        )
    names = names or tuple(used)
    index = {name: i for i, name in enumerate(names)}
    indices = {
        key: np.array([index[_text(word)] for word in array], np.int64)
        for key, array in parts.items()
    }
    return indices, names


def _whole(key: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(invalid="ignore"):
        exact = array.astype(np.float64)
        whole = np.isfinite(exact) & (exact == np.round(exact)) & (np.abs(exact) < 2**53)
    if not whole.all():
        first = float(array[~whole][0])
        raise DataError(
            f"{key} contains {'NaN' if np.isnan(first) else f'{first:g}'}; {_EXPECTED}. For "
            "regression, set family = 'gaussian'."
        )
    return array.astype(np.int64)


def _integers(parts: Parts) -> tuple[Labels, Labels]:
    """Return integer labels as int64, after checking that none is negative."""
    for key, array in parts.items():
        if array.dtype.kind not in "biu":
            raise DataError(f"{key} has type {type_of(array)}; {_EXPECTED}.")
        low, high = (int(extreme) for extreme in (array.min(initial=0), array.max(initial=0)))
        if low < 0 or high >= 2**63:
            outside = low if low < 0 else high
            raise DataError(f"{key} contains the label {outside}; {_EXPECTED}.")
    train, test = (array.astype(np.int64) for array in parts.values())
    return train, test


def _places(train: Labels, test: Labels, numbers: NDArray[Any]) -> tuple[Labels, Labels]:
    """Return the places of labels in a list of numbers, such as classes = [0, 2, 5].

    Labels that are not all in the list are taken for places.

    Raises:
        DataError: if labels may be numbers of the list or places in it, and the two differ.
    """
    used = np.union1d(train, test)
    if not np.isin(used, numbers).all() or len(np.unique(numbers)) < len(numbers):
        return train, test
    order = np.argsort(numbers)
    by_number = [order[np.searchsorted(numbers, y, sorter=order)] for y in (train, test)]
    differs = not all(map(np.array_equal, by_number, (train, test)))
    if differs and used.max(initial=0) < len(numbers):
        listed = shortened(", ".join(map(str, numbers)), _LONGEST)
        raise DataError(
            f"classes contains {listed}, and a label can be such a number or its place in "
            "classes; omit classes, or give names."
        )
    return by_number[0], by_number[1]


def _indices(
    train: Labels, test: Labels, names: tuple[str, ...] | None, notes: list[str]
) -> ClassLabels:
    """Return integer labels as indices from 0; 1..K are shifted if that is what they must be."""
    used = np.union1d(train, test)
    highest = int(used.max(initial=-1))
    count = len(names) if names is not None else used.size
    if names is None and train.size and test.size:
        _check_first(train, test, highest)
    if used.size and used[0] == 1 and highest == count > 1:
        notes.append(wording.from_one(count))
        train, test = train - 1, test - 1
        names = names or _numbers(count, first=1)
    if names is None:
        names = _numbered(used)
    unseen = [names[k] for k in np.setdiff1d(test, train) if k < len(names)]
    if unseen and train.size:
        notes.append(wording.unseen_classes(unseen))
    return ClassLabels(train=train, test=test, classes=names, notes=tuple(notes))


def _check_first(train: Labels, test: Labels, highest: int) -> None:
    """Check that labels do not begin at 1 in one part and at 0 in the other."""
    used = [np.unique(y) for y in (train, test)]
    firsts = [int(u[0]) for u in used if len(u) == highest == int(u[-1]) - int(u[0]) + 1]
    if sorted(firsts) == [0, 1] and highest > 1:
        raise DataError(
            f"the {highest} labels in y_train begin at {firsts[0]}, those in y_test at "
            f"{firsts[1]}; number the classes alike in both, or list all classes in classes."
        )


def _numbered(used: Labels) -> tuple[str, ...]:
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


def _text(item: object) -> str:
    """Return a name in a file as text; bytes are UTF-8."""
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)


def type_of(array: NDArray[Any]) -> str:
    """Return the type of an array for a message; records have long ones."""
    return shortened(str(array.dtype), _LONGEST)
