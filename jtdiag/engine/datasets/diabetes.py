"""The diabetes data set of scikit-learn: 442 patients, one regression target, no download."""

from pathlib import Path
from typing import Final

import numpy as np

from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.engine.datasets.contract import DataSource

TEST_EXAMPLES: Final = 110
_SPLIT_SEED: Final = 61_203


def load(_root: Path) -> Arrays:
    """Return 332 training and 110 test patients: 10 features (N, 10), progression (N, 1).

    The split is the same on every machine and in every version.
    """
    from sklearn.datasets import load_diabetes  # importing scikit-learn takes a second

    bunch = load_diabetes(scaled=False)
    # numpy guarantees the raw bits, but not what `permutation` makes of them.
    order = np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(len(bunch.target)), kind="stable")
    x = bunch.data[order].astype(np.float32)
    y = bunch.target[order, None].astype(np.float64)
    return Arrays(
        x_train=x[:-TEST_EXAMPLES],
        y_train=y[:-TEST_EXAMPLES],
        x_test=x[-TEST_EXAMPLES:],
        y_test=y[-TEST_EXAMPLES:],
        classes=("progression",),
        mean=None,
        sd=None,
    )


SOURCE = DataSource(name="diabetes", targets="numbers", load=load)
