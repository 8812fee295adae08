"""Inputs in float32, without loss where a large offset leaves float32 no digits for differences.

A time stamp of 1.7e9 s is known to 128 s in float32. Since inputs are centered in any case, the
mean of the training part is subtracted in float64 first, where it is much larger than the spread.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets.arrays import channel_moments
from jtdiag.errors import DataError

TOLERATED: Final = 1e-4
"""Rounding error of an input, in standard deviations, up to which nothing is subtracted."""
_EXACT: Final = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
"""Types whose numbers float32 represents exactly."""
_HALF_UNIT: Final = 2.0**-24
"""Largest relative error of rounding to float32."""
_SMALLEST: Final = 2.0**-150
"""Largest absolute error of rounding numbers near 0 to float32."""
_TINY: Final = 2.0**-100
"""Numbers below it are computed with in another unit, so that their squares do not vanish."""
_NOISE: Final = 8 * 2.0**-52
"""Range of floating-point numbers, relative to their size, that is rounding error."""


def to_float32(
    train: NDArray[Any], test: NDArray[Any], *, standardize: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return inputs of both parts as contiguous float32 arrays.

    From a channel or feature that float32 would round by more than `TOLERATED` of its standard
    deviation, about the mean over the training part is subtracted first, and numbers too small for
    float32 are multiplied by a power of 2. The others are only converted.

    Args:
        train: (N, D) or (N, C, H, W), real numbers.
        test: Of the same axes; unchanged if it has other channels, which is refused later.
        standardize: Whether inputs are centered, so that an offset does not matter.

    Raises:
        DataError: if an offset should be subtracted, but inputs are not to be centered.
    """
    if train.dtype.name in _EXACT and test.dtype.name in _EXACT:
        return _float32(train), _float32(test)
    if train.shape[1:] != test.shape[1:] or train.size == 0:
        return _float32(train), _float32(test)
    reference = _reference(train)
    train_64, test_64 = _minus(train, reference), _minus(test, reference)
    unit = _unit(train_64, reference.shape)
    if (unit != 1).any():
        train_64, test_64, reference = train_64 / unit, test_64 / unit, reference / unit
    mean, chosen = _offset(train_64, reference, unit, exact=train.dtype.kind in "iu")
    if not chosen.any():
        return _float32(train), _float32(test)
    if not standardize:
        raise DataError(
            f"x_train differs in column or channel {int(np.argmax(chosen))} by less than float32 "
            "can tell at numbers of that size, and data.standardize is false; subtract an offset "
            "from the data or change their unit, or remove data.standardize."
        )
    # Other channels keep the bits that they would have had alone.
    return (
        _float32(np.where(chosen, train_64 - mean, train)),
        _float32(np.where(chosen, test_64 - mean, test)),
    )


def _reference(train: NDArray[Any]) -> NDArray[Any]:
    """Return the first number of each channel, (C, 1, …), or 0 if the numbers are no integers."""
    first: NDArray[Any] = train[0].reshape(train.shape[1], -1)[:, 0]
    first = first if train.dtype.kind in "iu" else np.zeros_like(first)
    return first.reshape(-1, *(1 for _ in train.shape[2:]))


def _minus(x: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.float64]:
    """Return x − reference in float64; integers are subtracted as such, hence exactly."""
    if x.dtype.kind in "iu" and reference.dtype.kind in "iu":
        difference = x.astype(np.int64) - reference.astype(np.int64)  # exact modulo 2**64
        return difference.astype(np.float64)
    return x.astype(np.float64, copy=False) - reference.astype(np.float64)


def _unit(x: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a power of 2 near the largest number of each channel that is tiny, else 1."""
    axes = (0, *range(2, x.ndim))
    largest = np.maximum(x.max(axes), -x.min(axes)).reshape(shape)
    tiny = (largest > 0) & (largest < _TINY)
    return np.where(tiny, np.exp2(np.floor(np.log2(np.where(tiny, largest, 1)))), 1.0)


def _offset(
    x: NDArray[np.float64], reference: NDArray[Any], unit: NDArray[np.float64], *, exact: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return about the mean of each channel of x, and whether it is to be subtracted, (C, 1, …).

    Args:
        x: Inputs minus the reference, in units of `unit`.
        reference: What has been subtracted already, in the same units.
        unit: What both were divided by.
        exact: Whether the inputs were integers; otherwise a range of a few units in the last
            place is a rounding error, and the channel constant.
    """
    axes = (0, *range(2, x.ndim))
    with np.errstate(all="ignore"):  # infinity and NaN are refused later
        mean, sd = (np.reshape(moment, reference.shape) for moment in channel_moments(x))
        size = np.abs(reference.astype(np.float64) + mean)
        spread = (x.max(axes) - x.min(axes)).reshape(reference.shape)
        varies = spread > (0 if exact else _NOISE * size)
        error = np.maximum(size * _HALF_UNIT, _SMALLEST / unit)
        # Sums differ in their last bits between processors; a rounded mean is the same on all.
        step = np.exp2(np.ceil(np.log2(sd)))
        return np.round(mean / step) * step, varies & (error > TOLERATED * sd)


def _float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return the numbers as a contiguous float32 array."""
    with np.errstate(over="ignore"):  # overflow becomes infinity, which is rejected later
        return np.ascontiguousarray(array, dtype=np.float32)
