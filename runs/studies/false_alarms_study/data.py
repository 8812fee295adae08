"""Data sets of the zoo: unequal classes, many classes and wrong labels, with fixed seeds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets import digits

Arrays = dict[str, NDArray[np.generic]]

_FEATURES = 8
_DISTANCE = 3.0
"""Between the centres of two classes, in standard deviations: a best error of 7 % at equal
sizes."""
_WRONG_LABELS = 0.3
_MANY, _EXAMPLES_OF_EACH, _MANY_FEATURES = 1_000, 5, 32


def unequal(share: float) -> Arrays:
    """Return two normal classes, of which the rare one has a share of 2,000 training examples."""
    rng = np.random.default_rng(round(1_000 * share))

    def part(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        y = (np.arange(count) < round(share * count)).astype(np.int64)
        x = rng.normal(size=(count, _FEATURES))
        x[:, 0] += _DISTANCE * y
        order = rng.permutation(count)
        return x[order], y[order]

    return _arrays(part(2_000), part(2_000))


def many_classes() -> Arrays:
    """Return 1,000 normal classes with five training examples and one test example each."""
    rng = np.random.default_rng(_MANY)
    centres = rng.normal(size=(_MANY, _MANY_FEATURES))

    def part(each: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        y = np.tile(np.arange(_MANY), each)
        return centres[y] + 0.3 * rng.normal(size=(y.size, _MANY_FEATURES)), y

    return _arrays(part(_EXAMPLES_OF_EACH), part(1))


def wrong_labels() -> Arrays:
    """Return digits, with three in ten of the training labels drawn anew from all classes."""
    whole = digits.SOURCE.load(Path())
    rng = np.random.default_rng(30)
    y = whole.y_train.copy()
    wrong = rng.random(y.size) < _WRONG_LABELS
    y[wrong] = rng.integers(0, len(whole.classes), wrong.sum())
    train, test = whole.x_train, whole.x_test
    return _arrays((train, y), (test, whole.y_test))


SETS: dict[str, Callable[[], Arrays]] = {
    "unequal-99-1": lambda: unequal(0.01),
    "unequal-90-10": lambda: unequal(0.1),
    "many-classes": many_classes,
    "wrong-labels": wrong_labels,
}
"""Data sets by name; any other name is one of jtdiag's."""


def saved(name: str, folder: Path) -> str:
    """Return what a recipe's data.name must be: a name, or the file that is made if missing."""
    if name not in SETS:
        return name
    file = folder / f"{name}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, **SETS[name]())  # type: ignore[arg-type]
    return str(file)


def _arrays(
    train: tuple[NDArray[np.floating], NDArray[np.integer]],
    test: tuple[NDArray[np.floating], NDArray[np.integer]],
) -> Arrays:
    return {
        "x_train": train[0].astype(np.float32),
        "y_train": train[1],
        "x_test": test[0].astype(np.float32),
        "y_test": test[1],
    }
