"""Mean errors of contenders that have different numbers of trials, of which some are harder.

A trial holds out its own validation examples, which are harder for all contenders or easier. The
error of contender i in trial t is taken to be a_i + b_t plus noise, fitted by least squares.
"""

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@attrs.frozen(eq=False)
class Fit:
    """The fitted errors of contenders over the same trials."""

    mean: Floats
    """(contenders,), mean over all trials, including those that a contender has not."""
    se: Floats
    """(contenders,), noise of a single trial divided by the root of the number of trials."""


def fit(errors: Mapping[str, Floats]) -> Fit:
    """Fit the errors (trials,) of each contender, of one trial or more each.

    The first trial of all of them is the same one, and so on.
    """
    counts = np.array([len(values) for values in errors.values()])
    row = np.repeat(np.arange(len(counts)), counts)
    column = np.concatenate([np.arange(count) for count in counts])
    design = np.hstack([np.eye(len(counts))[row], np.eye(counts.max())[column]])
    observed = np.concatenate(list(errors.values()))
    effects, _, rank, _ = np.linalg.lstsq(design, observed)
    freedom = len(observed) - int(rank)
    squares = float(((observed - design @ effects) ** 2).sum())
    noise = np.sqrt(squares / freedom) if freedom else 0.0
    of_contender, of_trial = np.split(effects, [len(counts)])
    return Fit(of_contender + of_trial.mean(), noise / np.sqrt(counts))
