import numpy as np
import pytest
from scipy.stats import binom, binomtest

from jtdiag.stats import clopper_pearson


@pytest.mark.parametrize("of", [1, 2, 5, 35])
def test_the_ends_are_scipys(of):
    held = np.arange(of + 1)
    low, high = clopper_pearson(held, np.full(of + 1, of))
    theirs = [binomtest(int(k), of).proportion_ci(0.95, method="exact") for k in held]
    np.testing.assert_allclose(low, [one.low for one in theirs], rtol=1e-9)
    np.testing.assert_allclose(high, [one.high for one in theirs], rtol=1e-9)


def test_at_an_end_what_was_seen_would_come_up_in_one_of_forty_repetitions():
    low, high = clopper_pearson(3, 8)
    assert binom.sf(2, 8, low) == pytest.approx(0.025, rel=1e-9)
    assert binom.cdf(3, 8, high) == pytest.approx(0.025, rel=1e-9)


def test_all_of_n_leave_the_closed_form():
    low, high = clopper_pearson([3, 0], [3, 3])
    np.testing.assert_allclose(low, [0.025 ** (1 / 3), 0], rtol=1e-12)
    np.testing.assert_allclose(high, [1, 1 - 0.025 ** (1 / 3)], rtol=1e-12)


@pytest.mark.parametrize("truth", [0.1, 0.5, 0.9])
def test_it_holds_the_truth_at_least_as_often_as_it_says(truth):
    held = np.arange(6)
    low, high = clopper_pearson(held, 5)
    assert binom.pmf(held, 5, truth)[(low <= truth) & (truth <= high)].sum() >= 0.95


def test_nothing_tried_leaves_nothing_known():
    assert np.isnan(clopper_pearson(0, 0)).all()
