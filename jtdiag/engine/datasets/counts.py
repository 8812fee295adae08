"""Synthetic counts that depend on six features: a data set for the Poisson family."""

from pathlib import Path
from typing import Final

import numpy as np
from scipy.stats import poisson

from jtdiag.engine.datasets import synthetic
from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.engine.datasets.contract import DataSource

_SEED: Final = 90_411


def load(_root: Path) -> Arrays:
    """Return counts (N, 1) whose rate is a nonlinear function of 6 features (N, 6) in [-1, 1].

    1,000 training and 500 test examples; rates range from about 0.2 to 25.
    """
    uniform = synthetic.uniform(_SEED, synthetic.FEATURES + 1)
    x = 2 * uniform[:, : synthetic.FEATURES] - 1
    log_rate = 1 + np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3] ** 2 - 0.5 * x[:, 4]
    y = poisson.ppf(uniform[:, synthetic.FEATURES], np.exp(log_rate))
    return synthetic.arrays(x, y[:, None], ("count",))


SOURCE = DataSource(name="counts", targets="numbers", load=load)
