"""The examples of a data set that a recipe uses: `data.classes` and `data.limit`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine import wording
from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.errors import DataError, nearest, shortened, shown
from jtdiag.recipe.class_groups import Class
from jtdiag.recipe.sections import Data

Positions = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The examples that are used, and their positions in the data set."""

    arrays: Arrays
    """The selected examples, labeled by group; without moments, unless all examples are used."""
    train: Positions
    """(N,), ascending positions in the training part of the data set."""
    test: Positions
    """(N,), the same of the test part."""

    @classmethod
    def of(cls, arrays: Arrays, data: Data) -> "Selection":
        """Select groups of classes, and of these the first training examples.

        Args:
            arrays: The data set.
            data: The section of a recipe.

        Raises:
            DataError: if the data set has no such classes or not as many training examples, or if
                nothing would be left to learn.
        """
        train, test = (np.arange(len(x)) for x in (arrays.x_train, arrays.x_test))
        chosen = cls(arrays=arrays, train=train, test=test)
        if data.classes:
            chosen = chosen._of_classes(data)
        return chosen._limited(data) if data.limit else chosen

    def _of_classes(self, data: Data) -> "Selection":
        arrays = self.arrays
        if arrays.y_train.ndim != 1:
            raise DataError(
                f"data.classes is set, and the targets of {data.name} are numbers; remove it, or "
                "use data with classes."
            )
        groups = _numbers(data, arrays.classes)
        group_of = np.full(len(arrays.classes), -1)
        for i, group in enumerate(groups):
            group_of[group] = i
        train, test = group_of[arrays.y_train], group_of[arrays.y_test]
        for part, labels in (("training", train), ("test", test)):
            if not (labels >= 0).any():
                raise DataError(
                    f"{data.name} has no {part} examples of data.classes; list other classes."
                )
        names = tuple(", ".join(arrays.classes[number] for number in group) for group in groups)
        chosen = _selected(arrays, np.flatnonzero(train >= 0), np.flatnonzero(test >= 0))
        labels = {"y_train": train[chosen.train], "y_test": test[chosen.test]}
        return replace(chosen, arrays=replace(chosen.arrays, classes=names, **labels))

    def _limited(self, data: Data) -> "Selection":
        examples, limit = len(self.train), data.limit
        if limit > examples:
            which = " of data.classes" if data.classes else ""
            raise DataError(
                f"data.limit is {limit}, but {data.name} has only {examples} training "
                f"examples{which}; lower it, or leave it out to use all."
            )
        if self.arrays.y_train.ndim == 1 and np.ptp(self.arrays.y_train[:limit]) == 0:
            raise DataError(
                f"data.limit is {limit}, and the first {limit} training examples of {data.name} "
                "are of a single class; raise it."
            )
        missing = _lost(self.arrays, limit)
        notes = (wording.without_examples(limit, missing),) if missing else ()
        arrays = replace(self.arrays, notes=(*self.arrays.notes, *notes))
        first = _selected(arrays, np.arange(limit), np.arange(len(self.test)))
        return replace(first, train=self.train[:limit], test=self.test)


def _selected(arrays: Arrays, train: Positions, test: Positions) -> Selection:
    """Return examples by their positions in the arrays."""
    selected = replace(
        arrays,
        x_train=arrays.x_train[train],
        y_train=arrays.y_train[train],
        x_test=arrays.x_test[test],
        y_test=arrays.y_test[test],
        mean=None,
        sd=None,
    )
    return Selection(arrays=selected, train=train, test=test)


def _lost(arrays: Arrays, limit: int) -> list[str]:
    """Return the names of classes with training examples, but not among the first ones."""
    if arrays.y_train.ndim != 1:
        return []
    lost = np.setdiff1d(arrays.y_train, arrays.y_train[:limit])
    return [arrays.classes[number] for number in lost]


def _numbers(data: Data, names: Sequence[str]) -> list[list[int]]:
    """Return the numbers of the classes of each group.

    Raises:
        DataError: if a class does not exist, its name is not unique, or it is listed twice.
    """
    groups = [[_number(entry, names, data.name) for entry in group] for group in data.classes]
    listed = [number for group in groups for number in group]
    number, count = Counter(listed).most_common(1)[0]
    if count > 1:
        raise DataError(
            f"data.classes lists class {number} ({shown(names[number])}) by number and "
            "by name; list each class once."
        )
    return groups


def _number(entry: Class, names: Sequence[str], data: str) -> int:
    """Return the number of a class that is given by number or name."""
    if isinstance(entry, str):
        return _named(entry, names, data)
    if entry >= len(names):
        raise DataError(
            f"data.classes lists {entry}; {data} has {len(names)} classes, 0 to {len(names) - 1} "
            f"({_first(names)})."
        )
    if names[entry] != str(entry) and str(entry) in names:
        raise DataError(
            f"data.classes lists {entry}, which is the number of class {shown(names[entry])} and "
            f"the name of another; give names in quotes, such as {str(entry)!r}."
        )
    return entry


def _named(entry: str, names: Sequence[str], data: str) -> int:
    count = list(names).count(entry)
    if count > 1:
        raise DataError(
            f"data.classes lists {shown(entry)}, the name of {count} classes of {data}; give their "
            "numbers instead."
        )
    if not count:
        raise DataError(
            f"data.classes lists {shown(entry)}, which is no class of {data} ({_first(names)})."
            f"{nearest(entry, names)}"
        )
    return names.index(entry)


def _first(names: Sequence[str]) -> str:
    return shortened(", ".join(names), 100)
