import numpy as np
import pytest
from scipy.stats import binom, binomtest, ttest_rel

from jtdiag.stats import (
    against_lowest,
    clopper_pearson,
    listed,
    paired,
    plus_minus,
    signed,
)


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


# --- comparisons with the lowest ------------------------------------------------------------------

REPETITIONS = 2000
SPREADS = {
    "equal": lambda k: np.ones(k),
    "one noisy": lambda k: np.r_[np.ones(k - 1), 6.0],
    "all different": lambda k: np.linspace(0.2, 3.0, k),
}


@pytest.mark.slow
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("trials", [2, 3, 5, 10])
def test_of_equal_candidates_one_is_called_worse_in_at_most_six_of_a_hundred_runs(trials, spread):
    """Simulated, with a common effect of the trial; standard error of the rate 0.5 %."""
    random = np.random.default_rng(trials)
    for count in (2, 3, 6, 11):
        errors = SPREADS[spread](count)[:, None] * random.normal(size=(REPETITIONS, count, trials))
        errors += 2 * random.normal(size=(REPETITIONS, 1, trials))
        wrong = sum(
            any(interval.significant for interval in against_lowest(one_run)[1])
            for one_run in errors
        )
        assert wrong / REPETITIONS <= 0.06, count


@pytest.mark.slow
@pytest.mark.parametrize("trials", [2, 3, 5])
def test_intervals_cover_all_true_differences_from_the_selected_candidate(trials):
    random = np.random.default_rng(trials)
    truth = np.array([0.0, 0.1, 0.5, 3.0])
    covered = 0
    for _ in range(2000):
        lowest, intervals = against_lowest(truth[:, None] + random.normal(size=(4, trials)))
        covered += all(
            interval.low <= true <= interval.high
            for i, (interval, true) in enumerate(zip(intervals, truth - truth[lowest], strict=True))
            if i != lowest
        )
    assert covered / 2000 >= 0.94


def test_two_candidates_are_compared_as_scipy_compares_pairs():
    a, b = [0.20, 0.21, 0.23], [0.10, 0.12, 0.11]
    lowest, intervals = against_lowest([a, b])
    scipys = ttest_rel(a, b).confidence_interval(0.95)
    assert lowest == 1
    assert intervals[0] == pytest.approx((0.10333333, scipys.low, scipys.high), rel=1e-6)
    assert intervals[1].mean == 0
    assert not intervals[1].exists


def test_all_pairs_of_candidates_count():
    rows = [[0.20, 0.21, 0.23], [0.10, 0.12, 0.11], [0.3, 0.2, 0.4]]
    _, intervals = against_lowest(rows)
    scipys = ttest_rel(rows[0], rows[1]).confidence_interval(1 - 0.05 / 3)
    assert intervals[0][1:] == pytest.approx((scipys.low, scipys.high), rel=1e-9)


def test_missing_trials_are_no_pairs_and_missing_candidates_no_comparisons():
    rows = [[0.2, 0.21, np.nan], [0.1, 0.13, 0.11], [np.nan] * 3]
    lowest, intervals = against_lowest(rows)
    assert lowest == 1
    assert intervals[0] == paired(np.subtract(rows[0], rows[1])[:2])
    assert np.isnan(intervals[2]).all()
    assert against_lowest([[np.nan]])[0] == -1


@pytest.mark.parametrize("rows", [[[0.1], [0.9]], [[0.1, 0.2], [0.3, 0.4]]])
def test_one_trial_or_the_same_difference_in_all_is_never_significant(rows):
    _, intervals = against_lowest(rows)
    assert not any(interval.exists for interval in intervals)


# --- formatting ----------------------------------------------------------------------------------


def test_numbers_are_written_with_their_standard_error_sign_and_unit():
    assert plus_minus(11.57, 0.06, unit="%") == "11.6 ± 0.1 %"
    assert plus_minus(-11.57, np.nan, ".2f", "nats") == "−11.57 nats"
    assert [signed(0.2), signed(-1.3, ".1f")] == ["+0.20", "−1.3"]


def test_a_list_reads_as_in_a_sentence():
    assert [listed(list(letters)) for letters in ("a", "ab", "abc")] == [
        "a",
        "a and b",
        "a, b and c",
    ]
