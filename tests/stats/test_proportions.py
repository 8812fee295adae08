import numpy as np
import pytest
from scipy.stats import binom, binomtest

from jtdiag.stats import clopper_pearson


@pytest.mark.slow
@pytest.mark.parametrize("attempts", [1, 2, 5, 35])
def test_the_ends_are_scipys(attempts):
    successes = np.arange(attempts + 1)
    low, high = clopper_pearson(successes, np.full(attempts + 1, attempts))
    scipys = [binomtest(int(k), attempts).proportion_ci(0.95, method="exact") for k in successes]
    np.testing.assert_allclose(low, [interval.low for interval in scipys], rtol=1e-9)
    np.testing.assert_allclose(high, [interval.high for interval in scipys], rtol=1e-9)


def test_at_an_end_the_observation_has_a_probability_of_one_in_forty():
    low, high = clopper_pearson(3, 8)
    assert binom.sf(2, 8, low) == pytest.approx(0.025, rel=1e-9)
    assert binom.cdf(3, 8, high) == pytest.approx(0.025, rel=1e-9)


def test_all_of_n_leave_the_closed_form():
    low, high = clopper_pearson([3, 0], [3, 3])
    np.testing.assert_allclose(low, [0.025 ** (1 / 3), 0], rtol=1e-12)
    np.testing.assert_allclose(high, [1, 1 - 0.025 ** (1 / 3)], rtol=1e-12)


@pytest.mark.parametrize("truth", [0.1, 0.5, 0.9])
def test_the_coverage_of_a_fraction_is_at_least_nominal(truth):
    successes = np.arange(6)
    low, high = clopper_pearson(successes, 5)
    assert binom.pmf(successes, 5, truth)[(low <= truth) & (truth <= high)].sum() >= 0.95


def test_no_attempts_leave_no_interval():
    assert np.isnan(clopper_pearson(0, 0)).all()
