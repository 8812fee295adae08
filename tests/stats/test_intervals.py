import math

import numpy as np
import pytest
from scipy.stats import sem, ttest_1samp, ttest_ind

from jtdiag.stats import Interval, interval_ends, mean_interval, paired, standard_error, unpaired

A = [0.10, 0.12, 0.14]
B = [0.13, 0.12, 0.16]


def test_the_interval_of_a_mean_is_scipys_and_leaves_out_what_is_unknown():
    scipys = ttest_1samp(A, 0).confidence_interval(0.95)
    assert mean_interval([*A, np.nan]) == pytest.approx((0.12, scipys.low, scipys.high), rel=1e-12)


@pytest.mark.parametrize("values", [[0.1], [0.2, 0.2, 0.2], [0.3 - 0.1, 0.2], [0.1, 0.2, np.inf]])
def test_one_value_no_spread_or_an_infinite_one_leave_no_interval(values):
    interval = mean_interval(values)
    assert not interval.exists
    assert not interval.significant
    assert interval.mean == pytest.approx(np.mean(values))


def test_of_no_values_there_is_no_mean():
    assert np.isnan(mean_interval([np.nan])).all()


def test_the_ends_of_many_means_are_those_of_each():
    values = np.random.default_rng(0).normal(size=(6, 4))
    values[1, 2:] = np.nan
    values[2, 1:] = np.nan
    values[3] = np.nan
    values[4] = 0.1
    values[5, 0] = -np.inf
    for low, high in (interval_ends(values, axis=1), interval_ends(values.T)):
        for row, ends in zip(values, zip(low, high, strict=True), strict=True):
            np.testing.assert_allclose(ends, mean_interval(row)[1:], rtol=1e-12)
        assert np.isfinite(low).tolist() == [True, True, False, False, False, False]


def test_two_pairs_leave_the_closed_form():
    """With one degree of freedom Student's is Cauchy's distribution, of quantile tan(0.475 π)."""
    reach = math.tan(0.475 * math.pi) * abs(0.03 - 0.01) / 2
    assert paired([0.01, 0.03]) == pytest.approx((0.02, 0.02 - reach, 0.02 + reach), rel=1e-9)


def test_a_family_of_comparisons_shares_the_level():
    scipys = ttest_1samp(A, 0).confidence_interval(1 - 0.05 / 7)
    assert paired(A, comparisons=7)[1:] == pytest.approx((scipys.low, scipys.high), rel=1e-9)


@pytest.mark.parametrize("comparisons", [1, 4])
def test_the_interval_of_two_groups_is_scipys(comparisons):
    level = 1 - 0.05 / comparisons
    scipys = ttest_ind(B[:2], A, equal_var=False).confidence_interval(level)
    interval = unpaired(A, B[:2], comparisons)
    assert interval[1:] == pytest.approx((scipys.low, scipys.high), rel=1e-10)


def test_a_group_of_one_has_no_interval():
    assert not unpaired(A, [0.1]).exists


def test_standard_errors_are_scipys():
    values = np.random.default_rng(0).normal(size=(3, 5))
    np.testing.assert_allclose(standard_error(values, 1), sem(values, axis=1), rtol=1e-12)


def test_an_interval_changes_its_unit_and_keeps_to_what_is_possible():
    interval = Interval(0.01, -0.02, 0.04).scaled(100)
    assert interval == pytest.approx((1, -2, 4))
    assert interval.within(0, 100) == pytest.approx((1, 0, 4))
    nothing = Interval(0.01, np.nan, np.nan).within(0, 1)
    assert np.isnan(nothing[1:]).all()
