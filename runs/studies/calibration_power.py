"""Measure how often the probe calibration calls a predictor miscalibrated, and how often it should.

    python runs/studies/calibration_power.py

Simulates predictors whose accuracy is 0 or 5 points below their confidence, which is distributed as
1 − Beta(0.3, 3), 91 % on average, or uniform from 50 to 100 %. Prints the share of test sets on
which one of the two tests of a λ is significant, in a family of 2 tests (one λ) or 14 (seven λs).
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from jtdiag import stats
from jtdiag_probes.calibration import consistency, reliability
from jtdiag_probes.calibration.calibration import BINS
from jtdiag_probes.calibration.confidence_gap import poisson_binomial

SIZES = (100, 500, 5000)
TESTS = (2, 14)


def claims(
    confidence: NDArray[np.float64], probability: NDArray[np.float64], sets: int, seed: int
) -> NDArray[np.float64]:
    """Return the share of test sets with a claim, by number of tests.

    Args:
        confidence: (n,)
        probability: (n,), that the prediction is correct.
        sets: Number of test sets.
        seed: Of the outcomes.
    """
    random = np.random.default_rng(seed)
    bin_of = reliability.equal_width(confidence, BINS)
    null = np.sort(consistency.errors_by_chance(confidence, bin_of, BINS, random))
    errors = poisson_binomial(1 - confidence)
    at_most = np.cumsum(errors)
    at_least = np.cumsum(errors[::-1])[::-1]
    found = np.zeros((sets, len(TESTS)), bool)
    for i in range(sets):
        right = random.random(len(confidence)) < probability
        count = int((~right).sum())
        bins = reliability.in_bins(confidence, right, bin_of, BINS)
        reached = len(null) - np.searchsorted(null, reliability.calibration_error(bins) - 1e-12)
        p = min(2 * at_most[count], 2 * at_least[count], (1 + reached) / (1 + len(null)))
        found[i] = [p <= (1 - stats.LEVEL) / tests for tests in TESTS]
    return found.mean(0)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", type=int, default=2000)
    options = parser.parse_args()
    print("confidence  examples  too confident by  tests  called miscalibrated (95 % interval)")
    for label in ("beta", "uniform"):
        for size in SIZES:
            random = np.random.default_rng(size)
            beta, uniform = 1 - random.beta(0.3, 3, size), random.uniform(0.5, 1, size)
            confidence = beta if label == "beta" else uniform
            for points in (0, 5):
                probability = np.clip(confidence - points / 100, 0, 1)
                shares = claims(confidence, probability, options.sets, size + points)
                for tests, share in zip(TESTS, shares, strict=True):
                    low, high = stats.clopper_pearson(share * options.sets, options.sets)
                    print(
                        f"{label:10}  {size:8}  {points:11} points  {tests:5}  "
                        f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
