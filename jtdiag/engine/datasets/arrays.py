"""A data set as NumPy arrays, independent of its source, and the moments that normalize it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import DataError, shortened


# Arrays cannot be compared with ==, so two data sets are equal only if they are the same object.
@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """A data set as NumPy arrays, before it is split and normalized.

    The arrays are validated here. Messages do not name the source of the data; a loader adds it
    with `located`. A class may be missing in either part.

    Raises:
        DataError: if a part is empty or contains a non-finite number; if an example does not have
            exactly one label in 0..K-1, or K numbers; if the parts differ in shape; or if there
            are fewer than two classes.
    """

    x_train: NDArray[np.float32]
    """(N, C, H, W) images in [0, 1], or (N, D) features, not normalized."""
    y_train: NDArray[Any]
    """(N,) labels, 0..K-1, int64; or (N, K) regression targets, float64."""
    x_test: NDArray[np.float32]
    """Like x_train."""
    y_test: NDArray[Any]
    """Like y_train."""
    classes: tuple[str, ...]
    """K names, in the order of the labels or of the regression targets."""
    mean: tuple[float, ...] | None
    """Per channel, if published with the data set; None: computed from the training part."""
    sd: tuple[float, ...] | None
    """Per channel, if published with the data set; None: computed from the training part."""
    notes: tuple[str, ...] = ()
    """What was converted when the data were read, for people."""

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
                "both must have the same shape."
            )
        if self.y_train.ndim == 1 and len(self.classes) < 2:
            raise DataError("there is only one class; there must be at least two.")
        if not self.classes:
            raise DataError("y_train has no columns; there must be at least one number to predict.")


@contextmanager
def located(location: Path | str) -> Iterator[None]:
    """Prefix every `DataError` raised inside with the location of the data.

    Raises:
        DataError: with the location.
    """
    try:
        yield
    except DataError as error:
        place = shortened(str(location), 200)
        raise DataError(f"{place}: {error}") from error


def channel_moments(
    x: NDArray[np.floating[Any]],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation, per channel for images and per feature for vectors.

    Both are computed in float64, block by block, so that the array is never copied. The standard
    deviation is the population's (divided by N). It is set to 1 for a constant channel or feature,
    which avoids a division by zero.

    Args:
        x: Images (N, C, H, W) or features (N, D), all finite; N ≥ 1.

    Returns:
        mean, sd: C or D numbers each, in the units of `x`.
    """
    axes = (0, *range(2, x.ndim))
    count = x.size // x.shape[1]
    mean = sum(block.sum(axes) for block in _float64_blocks(x)) / count
    column = np.reshape(mean, (-1, *(1 for _ in axes[1:])))
    variance = sum(((block - column) ** 2).sum(axes) for block in _float64_blocks(x)) / count
    # The variance of a constant is exactly 0: float64 represents sums of up to 2**29 equal
    # float32 numbers exactly.
    sd = np.where(variance > 0, np.sqrt(variance), 1.0)
    return tuple(np.asarray(mean).tolist()), tuple(sd.tolist())


def _float64_blocks(x: NDArray[np.floating[Any]]) -> Iterator[NDArray[np.float64]]:
    """Yield `x` in float64, in blocks of about 8 MB along the first axis."""
    rows = max(1, 2**20 // x[0].size)
    for start in range(0, len(x), rows):
        yield x[start : start + rows].astype(np.float64)


def _check_inputs(part: str, x: NDArray[np.float32]) -> None:
    """Check that inputs are not empty and all finite."""
    if x.size == 0:
        least = "one number per example" if len(x) else "one example"
        raise DataError(f"x_{part} has shape {x.shape}; it must contain at least {least}.")
    finite = np.isfinite(x)
    if not finite.all():
        bad = len(x) - int(finite.reshape(len(x), -1).all(axis=1).sum())
        raise DataError(
            f"x_{part} contains NaN, infinity or numbers beyond float32 in {bad} of {len(x)} "
            "examples; fix or remove these examples."
        )


def _check_labels(part: str, y: NDArray[np.int64], examples: int, classes: int) -> None:
    """Check that there is one label per example, in 0..classes-1."""
    if y.shape != (examples,):
        raise DataError(
            f"x_{part} has {examples} examples and y_{part} has {len(y)} labels; "
            "there must be one label per example."
        )
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"y_{part} ranges from {low} to {high}; with {classes} classes, labels must be in "
            f"0..{classes - 1}."
        )


def _check_numbers(part: str, y: NDArray[np.float64], examples: int, outputs: int) -> None:
    """Check that there is one row of finite numbers per example."""
    if y.shape != (examples, outputs):
        raise DataError(
            f"x_{part} has {examples} examples and y_{part} has shape {y.shape}; it must be "
            f"({examples}, {outputs}), one row of numbers per example."
        )
    if not np.isfinite(y).all():
        raise DataError(
            f"y_{part} contains NaN or infinity; regression targets must be finite, so fix or "
            "remove these examples."
        )
