"""The gap between confidence and accuracy: its exact test, its rate of false claims, its power."""

import numpy as np
import pytest
from scipy.stats import binom, poisson_binom

from jtdiag_probes.calibration.confidence_gap import error_tail, gap, interval, poisson_binomial

TAIL = 0.025


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 200, 500])
def test_the_distribution_of_the_number_of_errors_is_scipys(n):
    p = np.random.default_rng(n).beta(0.3, 2, n)
    expected = poisson_binom(p).pmf(np.arange(n + 1))
    np.testing.assert_allclose(poisson_binomial(p), expected, atol=1e-14)


def test_equal_confidences_have_the_interval_of_clopper_and_pearson():
    confidence, right = np.full(80, 0.9), np.arange(80) >= 13
    low, high = interval([confidence], [right], TAIL)
    assert binom.sf(12, 80, low + 0.1) == pytest.approx(TAIL, abs=1e-4)
    assert binom.cdf(13, 80, high + 0.1) == pytest.approx(TAIL, abs=1e-4)
    assert low < gap(confidence, right) < high


def test_no_error_and_nothing_but_errors_have_one_end_at_the_limit():
    confidence = np.full(20, 0.95)
    low, high = interval([confidence], [np.ones(20, bool)], TAIL)
    assert low == pytest.approx(-0.05)
    assert 0 < high < 0.2
    low, high = interval([confidence], [np.zeros(20, bool)], TAIL)
    assert high == pytest.approx(0.95)
    assert low > 0.5


def test_confidences_of_1_are_possible():
    low, high = interval([np.ones(50)], [np.arange(50) > 0], TAIL)
    assert low > 0  # an error that is certain not to occur
    low, high = interval([np.ones(50)], [np.ones(50, bool)], TAIL)
    assert low <= 0 <= high


def test_trials_that_agree_are_no_better_than_one():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 300)
    right = random.random(300) < confidence
    low, high = interval([confidence], [right], TAIL)
    low_2, high_2 = interval([confidence] * 4, [right] * 4, TAIL)
    assert low_2 < low < high < high_2
    np.testing.assert_allclose(
        (low_2, high_2), interval([confidence], [right], TAIL / 2), atol=1e-4
    )


def rejections(confidence):
    """Return by number of errors whether a gap is claimed."""
    n = len(confidence)
    outcomes = (np.arange(n) >= errors for errors in range(n + 1))
    ends = [interval([confidence], [right], TAIL) for right in outcomes]
    return np.array([low > 0 or high < 0 for low, high in ends])


@pytest.mark.parametrize("confidence", ["sharp", "uniform"])
def test_a_calibrated_predictor_is_not_called_miscalibrated(confidence):
    """The exact rate, not a simulated one: the sum over all numbers of errors."""
    random = np.random.default_rng(1)
    draw = {"sharp": 1 - random.beta(0.3, 6, 60), "uniform": random.uniform(0.3, 1, 60)}
    confidence = draw[confidence]
    rate = poisson_binomial(1 - confidence)[rejections(confidence)].sum()
    assert 0.005 < rate <= 0.05


@pytest.mark.slow
def test_five_points_too_confident_is_found_in_more_cases_than_it_is_missed_at_500_examples():
    """Twice the error by chance, the limit before, believed 62 % of them."""
    random = np.random.default_rng(2)
    confidence = random.uniform(0.75, 1, 500)
    errors = poisson_binomial(1 - (confidence - 0.05))
    likely = np.flatnonzero(errors > 1e-6)
    found = 0.0
    for count in likely:
        low, _ = interval([confidence], [np.arange(500) >= count], TAIL)
        found += errors[count] * (low > 0)
    assert found > 0.8


@pytest.mark.parametrize("shared", [True, False])
def test_several_calibrated_trials_are_not_called_miscalibrated(shared):
    """10,000 runs of three trials that err on the same examples, or on others."""
    random = np.random.default_rng(3)
    confidence = 1 - random.beta(0.5, 3, 50)
    distribution = poisson_binomial(1 - confidence)
    errors = random.choice(51, (10_000, 1 if shared else 3), p=distribution / distribution.sum())
    claimed = np.zeros(10_000, bool)
    for upper in (True, False):
        tails = [error_tail(1 - confidence, count, upper=upper) for count in range(51)]
        claimed |= 2 * np.array(tails)[errors].mean(1) < TAIL
    assert claimed.mean() <= 0.05
