"""Whether the training and test parts seem to be in different units, such as one not scaled."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine import wording
from jtdiag.engine.datasets.arrays import channel_moments

FAR: Final = 10.0
"""Distance of the means, in standard deviations of the training part, from which it is stated."""
RATIO: Final = 20.0
"""Ratio of the standard deviations from which it is stated."""
_FEWEST: Final = 20
"""Examples of a part from which its standard deviation counts."""


def different_units(train: NDArray[Any], test: NDArray[Any]) -> tuple[str, ...]:
    """Return a note if at least half of the features or channels differ, else nothing.

    Features that are constant in the training part do not count.

    Args:
        train: (N, D) or (N, C, H, W).
        test: Of the same axes.
    """
    axes = (0, *range(2, train.ndim))
    varies, test_varies = (x.max(axes) > x.min(axes) for x in (train, test))
    (mean, sd), (test_mean, test_sd) = (
        tuple(map(np.asarray, channel_moments(x))) for x in (train, test)
    )
    differs = np.abs(test_mean - mean) > FAR * sd
    if min(len(train), len(test)) >= _FEWEST:
        ratio = test_sd / sd
        differs |= test_varies & ((ratio > RATIO) | (ratio < 1 / RATIO))
    count, total = int((differs & varies).sum()), int(varies.sum())
    if not count or 2 * count < total:
        return ()
    return (wording.different_units(count, total, FAR, RATIO, images=train.ndim > 2),)
