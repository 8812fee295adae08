import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy as scipys_entropy

from jtdiag_probes.dominance import inequality

ERRORS = arrays(np.float64, (2, 5), elements=st.floats(0.01, 1))


@pytest.mark.slow
@settings(max_examples=50)
@given(ERRORS)
def test_the_gini_coefficient_is_half_the_mean_difference_over_the_mean(errors):
    for row, value in zip(errors.tolist(), inequality.gini(errors), strict=True):
        mean = sum(row) / 5
        difference = sum(abs(a - b) for a in row for b in row) / 25
        assert value == pytest.approx(difference / (2 * mean), abs=1e-12)


@pytest.mark.slow
@settings(max_examples=50)
@given(ERRORS)
def test_the_entropy_is_scipys(errors):
    np.testing.assert_allclose(
        inequality.entropy(errors), scipys_entropy(errors, axis=-1), atol=1e-12
    )


@pytest.mark.parametrize("members", [1, 2, 7])
def test_members_that_err_alike_are_equal(members):
    errors = np.full(members, 0.3)
    assert inequality.gini(errors) == pytest.approx(0, abs=1e-15)
    assert inequality.entropy(errors) == pytest.approx(math.log(members), abs=1e-14)
    assert inequality.best_to_median(errors) == 1


def test_one_that_errs_alone_is_the_extreme():
    errors = np.array([0, 0, 0.4, 0])
    assert inequality.gini(errors) == pytest.approx(3 / 4, rel=1e-15)
    assert inequality.entropy(errors) == 0
    assert np.isnan(inequality.best_to_median(errors))


def test_without_errors_the_measures_are_nan():
    for value in (inequality.gini, inequality.entropy, inequality.best_to_median):
        assert np.isnan(value(np.zeros((2, 3)))).all()


def test_nan_errors_give_nan():
    for value in (inequality.gini, inequality.entropy, inequality.best_to_median):
        assert np.isnan(value(np.array([0.1, np.nan, 0.2])))


def test_the_leader_of_ten_times_the_skill_is_a_tenth():
    assert inequality.best_to_median(np.array([0.5, 0.03, 0.3])) == pytest.approx(0.1)
