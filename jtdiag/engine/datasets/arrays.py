"""A data set as plain arrays, whatever it came from, and the moments that normalise it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import DataError


# Arrays have no single truth value, so two data sets are equal only when they are the same one.
@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """A data set as plain arrays, before splitting and normalising.

    What every source must deliver is checked here; the messages do not say where the data came
    from, which a source adds with `located`. A class may be missing in either part.

    Raises:
        DataError: A part is empty, holds a number that is not finite, or has other than one label
            in 0..K-1, or K numbers, per example; the parts differ in shape; or there are fewer
            than two classes.
    """

    x_train: NDArray[np.float32]
    """(N, C, H, W) images in [0, 1], or (N, D) features as given."""
    y_train: NDArray[Any]
    """(N,) labels, 0..K-1, int64; or (N, K) numbers to predict, float64."""
    x_test: NDArray[np.float32]
    """As x_train, with a number of examples of its own."""
    y_test: NDArray[Any]
    """As y_train, with a number of examples of its own."""
    classes: tuple[str, ...]
    """K names, in the order of the labels, or of the numbers to predict."""
    mean: tuple[float, ...] | None
    """Per channel, where it goes with the data set; None: take the training split's own."""
    sd: tuple[float, ...] | None
    """Per channel, where it goes with the data set; None: take the training split's own."""

    def __post_init__(self) -> None:
        for part, x, y in (
            ("train", self.x_train, self.y_train),
            ("test", self.x_test, self.y_test),
        ):
            _check_inputs(part, x)
            check = _check_labels if y.ndim == 1 else _check_numbers
            check(part, y, len(x), len(self.classes))
        train, test = self.x_train.shape[1:], self.x_test.shape[1:]
        if train != test:
            raise DataError(
                f"one training example has shape {train} and one test example {test}; "
                "both must have the same, so bring the parts to one shape."
            )
        if self.y_train.ndim == 1 and len(self.classes) < 2:
            raise DataError("there is one class only; there must be two or more to tell apart.")


@contextmanager
def located(place: Path | str) -> Iterator[None]:
    """Put the place in front of every DataError that is raised inside.

    Raises:
        DataError: What was raised inside, with its place.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error}") from error


def channel_moments(
    x: NDArray[np.float32],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation: a pair per channel for images, a pair per feature for vectors.

    Computed in float64, block by block, so that the array is never copied as a whole. The
    standard deviation is the population's (divided by N). That of a channel or feature which is
    constant over `x` counts as 1: subtracting the mean then leaves zeros, and nothing is divided
    by zero.

    Args:
        x: Images (N, C, H, W) or features (N, D), all finite; N is 1 or more.

    Returns:
        mean, sd: C or D numbers each, in the unit of `x`.
    """
    axes = (0, *range(2, x.ndim))
    count = x.size // x.shape[1]
    mean = sum(block.sum(axes) for block in _float64_blocks(x)) / count
    column = np.reshape(mean, (-1, *(1 for _ in axes[1:])))
    variance = sum(((block - column) ** 2).sum(axes) for block in _float64_blocks(x)) / count
    # A constant's variance is exactly 0: float64 holds sums of up to 2**29 equal float32s exactly.
    sd = np.where(variance > 0, np.sqrt(variance), 1.0)
    return tuple(np.asarray(mean).tolist()), tuple(sd.tolist())


def _float64_blocks(x: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """Yield `x` in float64, in blocks of about 8 MB along the first axis."""
    rows = max(1, 2**20 // x[0].size)
    for start in range(0, len(x), rows):
        yield x[start : start + rows].astype(np.float64)


def _check_inputs(part: str, x: NDArray[np.float32]) -> None:
    """Refuse inputs of which there are none or that are not finite."""
    if x.size == 0:
        raise DataError(f"x_{part} has shape {x.shape}; it must hold at least one example.")
    finite = np.isfinite(x)
    if not finite.all():
        bad = len(x) - int(finite.reshape(len(x), -1).all(axis=1).sum())
        raise DataError(
            f"x_{part} holds NaN, infinity or numbers beyond float32 in {bad} of {len(x)} "
            "examples; every number must be finite, so mend or remove these examples."
        )


def _check_labels(part: str, y: NDArray[np.int64], examples: int, classes: int) -> None:
    """Refuse labels that are too few, too many, or outside 0..classes-1."""
    if y.shape != (examples,):
        raise DataError(
            f"x_{part} holds {examples} examples and y_{part} {len(y)} labels; "
            "there must be one label for each example."
        )
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"y_{part} runs from {low} to {high}; labels must lie in 0..{classes - 1}, "
            f"for {classes} classes."
        )


def _check_numbers(part: str, y: NDArray[np.float64], examples: int, outputs: int) -> None:
    """Refuse numbers to predict that are too few, too many, or not finite."""
    if y.shape != (examples, outputs):
        raise DataError(
            f"x_{part} holds {examples} examples and y_{part} has shape {y.shape}; it must be "
            f"({examples}, {outputs}), a row of numbers for each example."
        )
    if not np.isfinite(y).all():
        raise DataError(
            f"y_{part} holds NaN or infinity; every number to predict must be finite, so mend or "
            "remove these examples."
        )
