import math

import numpy as np
import pytest
from scipy.stats import binomtest, t as student

from jtdiag.stats import mean_interval, population_interval, two_way_interval

RATES = [0.024, 0.03, 0.027]


def test_distances_of_trials_and_examples_are_added_in_squares():
    exact = binomtest(27, 1000).proportion_ci(0.95, method="exact")
    over_trials = mean_interval(RATES)
    interval = population_interval(RATES, 1000)
    for end in ("low", "high"):
        distance = math.hypot(
            getattr(exact, end) - 0.027, getattr(over_trials, end) - over_trials.mean
        )
        assert abs(getattr(interval, end) - 0.027) == pytest.approx(distance, rel=1e-9)


def test_it_contains_the_interval_over_trials():
    interval, over_trials = population_interval(RATES, 500), mean_interval(RATES)
    assert interval.low < over_trials.low < over_trials.high < interval.high


@pytest.mark.parametrize("rates", [[0.03], [0.03, 0.03]])
def test_without_spread_over_trials_only_the_examples_count(rates):
    exact = binomtest(15, 500).proportion_ci(0.95, method="exact")
    assert population_interval(rates, 500)[1:] == pytest.approx((exact.low, exact.high))


def test_a_rate_stays_a_fraction():
    assert population_interval([0.0, 0.2], 20)[1:] == (0, 1)


def test_without_rates_or_examples_there_is_no_interval():
    assert np.isnan(population_interval([np.nan], 500)).all()
    assert not population_interval(RATES, 0).exists


def test_mean_squares_are_those_of_a_table_by_hand():
    table = [[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    mean = sum(map(sum, table)) / 12
    rows = [sum(row) / 4 for row in table]
    columns = [sum(column) / 3 for column in zip(*table, strict=True)]
    of_trials = 4 * sum((row - mean) ** 2 for row in rows) / 2
    of_examples = 3 * sum((column - mean) ** 2 for column in columns) / 3
    rest = sum(
        (table[t][i] - rows[t] - columns[i] + mean) ** 2 for t in range(3) for i in range(4)
    ) / (2 * 3)
    trials = student.ppf(0.975, 2) ** 2 * of_trials / 12
    examples = student.ppf(0.975, 3) ** 2 * (of_examples - rest) / 12
    interval = two_way_interval(table)
    assert interval.mean == pytest.approx(mean)
    assert interval.high - mean == pytest.approx(math.sqrt(trials + examples), rel=1e-9)


def test_examples_that_all_trials_agree_on_vary_as_their_number_says():
    """Without interaction the variance over examples is that of a sample of their means."""
    examples = np.random.default_rng(0).normal(size=50)
    trials = np.array([-0.1, 0.0, 0.1])
    reach = two_way_interval(examples + trials[:, None]).high - examples.mean()
    parts = (
        student.ppf(0.975, 2) * trials.std(ddof=1) / math.sqrt(3),
        student.ppf(0.975, 49) * examples.std(ddof=1) / math.sqrt(50),
    )
    assert reach == pytest.approx(math.hypot(*parts), rel=1e-9)


@pytest.mark.parametrize("shape", [(1, 5), (3, 1)])
def test_one_trial_or_one_example_has_no_two_way_interval(shape):
    assert not two_way_interval(np.random.default_rng(0).normal(size=shape)).exists


def test_trials_that_agree_on_average_have_no_two_way_interval():
    assert not two_way_interval([[1.0, 0.0], [0.0, 1.0]]).exists
