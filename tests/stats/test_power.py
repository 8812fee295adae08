import numpy as np
import pytest
from scipy.stats import nct, t as student

from jtdiag.stats import paired, smallest_detectable, smallest_detectable_unpaired, unpaired


@pytest.mark.parametrize("count", [3, 5, 10, 40])
@pytest.mark.parametrize("comparisons", [1, 6])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_scipys_noncentral_t_gives_the_power(count, comparisons, power):
    values = np.random.default_rng(count).normal(size=count)
    difference = smallest_detectable(values, comparisons, power)
    noncentrality = difference / (values.std(ddof=1) / np.sqrt(count))
    limit = student.isf(0.025 / comparisons, count - 1)
    scipys = nct.sf(limit, count - 1, noncentrality)  # below −limit: less than 1e-4
    assert scipys == pytest.approx(power, abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_trials_with_that_difference_are_significant_as_often_as_stated(count):
    random = np.random.default_rng(count)
    sample = random.normal(size=count)
    difference = smallest_detectable(sample, comparisons=3) / sample.std(ddof=1)
    drawn = difference + random.normal(size=(4000, count))
    detected = np.mean([paired(values, 3).low > 0 for values in drawn])
    assert detected == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize("values", [[], [0.1], [0.2, 0.2], [0.2, np.nan]])
def test_without_spread_nothing_is_known_of_the_power(values):
    assert np.isnan(smallest_detectable(values))


def test_what_can_be_detected_has_the_unit_of_the_values():
    values = np.array([0.1, 0.3, 0.2])
    assert smallest_detectable(100 * values) == pytest.approx(100 * smallest_detectable(values))


def test_of_two_groups_it_is_the_noncentral_t_of_welchs_freedom():
    a, b = np.random.default_rng(1).normal(size=(2, 4))
    interval = unpaired(a, b)
    difference = smallest_detectable_unpaired(a, b)
    squares = a.var(ddof=1) / 4, b.var(ddof=1) / 4
    freedom = sum(squares) ** 2 / (squares[0] ** 2 / 3 + squares[1] ** 2 / 3)
    se = (interval.high - interval.mean) / student.isf(0.025, freedom)
    scipys = nct.sf(student.isf(0.025, freedom), freedom, difference / se)
    assert scipys == pytest.approx(0.8, abs=2e-4)
    assert np.isnan(smallest_detectable_unpaired(a, [0.1]))
