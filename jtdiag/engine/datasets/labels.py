"""Four synthetic yes/no labels of six features: a data set for the Bernoulli family."""

from pathlib import Path
from typing import Final

import numpy as np

from jtdiag.engine.datasets import synthetic
from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.engine.datasets.contract import DataSource

_SEED: Final = 31_877


def load(_root: Path) -> Arrays:
    """Return four labels (N, 4), each 0 or 1, of 6 features (N, 6) in [-1, 1].

    1,000 training and 500 test examples. Labels are noisy and not mutually exclusive.
    """
    uniform = synthetic.uniform(_SEED, synthetic.FEATURES + 4)
    x = 2 * uniform[:, : synthetic.FEATURES] - 1
    logits = 4 * np.stack(
        [
            x[:, 0] + x[:, 1],
            2 * x[:, 1] * x[:, 2],
            x[:, 3] ** 2 + x[:, 4] ** 2 - 0.7,
            np.sin(4 * x[:, 5]) - 0.8,
        ],
        axis=1,
    )
    y = (uniform[:, synthetic.FEATURES :] < 1 / (1 + np.exp(-logits))).astype(np.float64)
    return synthetic.arrays(x, y, ("sum", "product", "ring", "wave"))


SOURCE = DataSource(name="labels", targets="numbers", load=load)
