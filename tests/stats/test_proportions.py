import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from jtdiag.stats import clopper_pearson, mcnemar, paired, paired_fractions


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


# --- McNemar --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 4), (1, 8), (5, 5), (12, 2), (0, 0)])
def test_mcnemars_test_counts_the_ways_to_be_as_uneven(wins, losses):
    total, least = wins + losses, min(wins, losses)
    p = min(1.0, 2 * sum(math.comb(total, k) for k in range(least + 1)) / 2**total)
    assert mcnemar(wins, losses) == pytest.approx(p, rel=1e-12)
    assert mcnemar(losses, wins) == pytest.approx(p, rel=1e-12)


def test_four_to_none_is_not_significant():
    assert mcnemar(4, 0) == 0.125


# --- paired fractions -----------------------------------------------------------------------------


@pytest.mark.parametrize("comparisons", [1, 6])
@pytest.mark.parametrize("one_is_right", [1, 4, 6, 9, 30])
def test_the_interval_excludes_0_only_if_mcnemars_test_is_significant(one_is_right, comparisons):
    for wins in range(one_is_right + 1):
        losses = one_is_right - wins
        interval = paired_fractions(wins, losses, 500, comparisons)
        student = paired(
            np.r_[np.ones(wins), -np.ones(losses), np.zeros(500 - wins - losses)], comparisons
        )
        both = mcnemar(wins, losses) < 0.05 / comparisons and student.significant
        assert interval.significant == both
        assert interval.mean == pytest.approx((wins - losses) / 500)
        assert interval.low <= student.low
        assert interval.high >= student.high


def test_four_to_none_of_500_examples_is_no_difference():
    assert paired([1.0] * 4 + [0.0] * 496).significant
    assert not paired_fractions(4, 0, 500).significant


def test_two_that_are_right_on_the_same_examples_have_no_interval():
    assert not paired_fractions(0, 0, 500).exists


def test_if_they_disagree_on_all_the_interval_is_the_exact_one():
    interval = paired_fractions(5, 0, 5)
    assert interval[1:] == pytest.approx((2 * 0.025 ** (1 / 5) - 1, 1))
