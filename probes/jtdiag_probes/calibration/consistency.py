"""How large a calibration error chance alone produces (Bröcker and Smith 2007).

If a predictor is calibrated, the prediction of example i is correct with probability c_i, its
confidence. Drawing outcomes with these probabilities gives the distribution of the expected
calibration error of a calibrated predictor with the same confidences and the same bins.
"""

import numpy as np
from numpy.typing import NDArray

from jtdiag_probes.calibration.reliability import Floats

DRAWS = 1999
"""Sets of outcomes that are drawn; the smallest p value is 1/2000."""
AT_ONCE = 1024
"""Examples that are drawn at once, which bounds the memory."""


def p_value(
    error: float,
    confidence: Floats,
    bin_of: NDArray[np.intp],
    bins: int,
    random: np.random.Generator,
) -> float:
    """Return how often a calibrated predictor has a calibration error at least as large.

    (1 + number of draws that reach it) / (1 + draws), which is valid for any number of draws.

    Args:
        error: Expected calibration error that was measured, 0 to 1.
        confidence: (n,)
        bin_of: (n,), the bin of each example.
        bins: Number of bins.
        random: Draws the outcomes.
    """
    drawn = errors_by_chance(confidence, bin_of, bins, random)
    return float((1 + (drawn >= error - 1e-12).sum()) / (1 + len(drawn)))


def errors_by_chance(
    confidence: Floats, bin_of: NDArray[np.intp], bins: int, random: np.random.Generator
) -> Floats:
    """Return the expected calibration errors, (DRAWS,), of outcomes that are drawn as above."""
    error = np.zeros(DRAWS)
    for b in range(bins):
        inside = confidence[bin_of == b]
        correct = np.zeros(DRAWS)
        for start in range(0, len(inside), AT_ONCE):
            part = inside[start : start + AT_ONCE]
            correct += (random.random((DRAWS, len(part))) < part).sum(1)
        error += np.abs(correct - inside.sum())
    return error / max(1, len(confidence))
