"""The digits data set of scikit-learn: 1,797 grayscale images of 8x8 pixels, no download."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.engine.datasets.contract import DataSource

TEST_EXAMPLES: Final = 500
_SPLIT_SEED: Final = 44826
_WHITE: Final = 16
"""The largest value of a pixel."""


def load(_root: Path) -> Arrays:
    """Return 1,297 training and 500 test images (N, 1, 8, 8) in [0, 1].

    The split is the same on every machine and in every version.
    """
    from sklearn.datasets import load_digits  # importing scikit-learn takes a second

    bunch = load_digits()
    order = _order(len(bunch.target))
    x = (bunch.images[order, None] / _WHITE).astype(np.float32)
    y = bunch.target[order].astype(np.int64)
    return Arrays(
        x_train=x[:-TEST_EXAMPLES],
        y_train=y[:-TEST_EXAMPLES],
        x_test=x[-TEST_EXAMPLES:],
        y_test=y[-TEST_EXAMPLES:],
        classes=tuple(str(name) for name in bunch.target_names),
        mean=None,
        sd=None,
    )


def _order(examples: int) -> NDArray[np.intp]:
    """Return a permutation of 0..examples-1 that is identical in every numpy version.

    numpy guarantees the raw bits of a bit generator, but not what `permutation` makes of them;
    so examples are sorted by raw bits.
    """
    return np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(examples), kind="stable")


SOURCE = DataSource(name="digits", targets="classes", load=load)
