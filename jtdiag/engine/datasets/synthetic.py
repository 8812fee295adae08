"""Data made from a formula and fixed random bits: the same on every machine, in every version."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from jtdiag.engine.datasets.arrays import Arrays

EXAMPLES: Final = 1_500
TEST_EXAMPLES: Final = 500
FEATURES: Final = 6
_COUNTS_SEED: Final = 90_411
_LABELS_SEED: Final = 31_877


def counts() -> Arrays:
    """Return counts (N, 1) whose rate depends on 6 features (N, 6) in [-1, 1], not linearly.

    1,000 examples for training, 500 for the test. Rates run from about 0.2 to 25.
    """
    uniform = _uniform(_COUNTS_SEED, EXAMPLES, FEATURES + 1)
    x = 2 * uniform[:, :FEATURES] - 1
    log_rate = 1 + np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3] ** 2 - 0.5 * x[:, 4]
    y = poisson.ppf(uniform[:, FEATURES], np.exp(log_rate))
    return _parts(x, y[:, None], ("count",))


def labels() -> Arrays:
    """Return four labels (N, 4), 0 or 1, of 6 features (N, 6) in [-1, 1]; any number may hold.

    1,000 examples for training, 500 for the test. Each label is a noisy answer to one question.
    """
    uniform = _uniform(_LABELS_SEED, EXAMPLES, FEATURES + 4)
    x = 2 * uniform[:, :FEATURES] - 1
    logits = 4 * np.stack(
        [
            x[:, 0] + x[:, 1],
            2 * x[:, 1] * x[:, 2],
            x[:, 3] ** 2 + x[:, 4] ** 2 - 0.7,
            np.sin(4 * x[:, 5]) - 0.8,
        ],
        axis=1,
    )
    y = (uniform[:, FEATURES:] < 1 / (1 + np.exp(-logits))).astype(np.float64)
    return _parts(x, y, ("sum", "product", "ring", "wave"))


def _uniform(seed: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return numbers in (0, 1) made of raw bits, which numpy promises for ever."""
    raw = np.random.PCG64(seed).random_raw((rows, columns))
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53


def _parts(x: NDArray[np.float64], y: NDArray[np.float64], outputs: tuple[str, ...]) -> Arrays:
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
