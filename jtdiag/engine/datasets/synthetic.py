"""What synthetic data sets share: reproducible random numbers, and the split into two parts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets.arrays import Arrays

EXAMPLES: Final = 1_500
"""Examples in total."""
TEST_EXAMPLES: Final = 500
"""The last of them are the test part."""
FEATURES: Final = 6


def uniform(seed: int, columns: int) -> NDArray[np.float64]:
    """Return uniform numbers in (0, 1), (`EXAMPLES`, columns), identical in every numpy version.

    They are computed from the bit generator's raw output, which numpy guarantees never to change.
    """
    raw = np.random.PCG64(seed).random_raw((EXAMPLES, columns))
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53


def arrays(x: NDArray[np.float64], y: NDArray[np.float64], outputs: tuple[str, ...]) -> Arrays:
    """Return inputs (N, D) and targets (N, K) as a data set, the last examples as its test part."""
    inputs = x.astype(np.float32)
    return Arrays(
        x_train=inputs[:-TEST_EXAMPLES],
        y_train=y[:-TEST_EXAMPLES],
        x_test=inputs[-TEST_EXAMPLES:],
        y_test=y[-TEST_EXAMPLES:],
        classes=outputs,
        mean=None,
        sd=None,
    )
