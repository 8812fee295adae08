import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from jtdiag.stats import against_lowest, against_reference, best_set, mcnemar, paired

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


# --- comparisons with a reference -----------------------------------------------------------------


def test_each_candidate_is_compared_with_the_reference_as_scipy_compares_pairs():
    rows = np.array([[0.20, 0.21, 0.23], [0.10, 0.12, 0.11], [0.3, 0.2, 0.4]])
    intervals = against_reference(rows, 0)
    for row, interval in zip(rows[1:], intervals[1:], strict=True):
        scipys = ttest_rel(row, rows[0]).confidence_interval(1 - 0.05 / 2)
        assert interval == pytest.approx(
            (row.mean() - rows[0].mean(), scipys.low, scipys.high), rel=1e-9
        )
    assert intervals[0].mean == 0
    assert not intervals[0].exists


def test_candidates_without_values_are_no_comparisons_with_the_reference():
    rows = [[0.2, 0.21, np.nan], [0.1, 0.13, 0.11], [np.nan] * 3]
    intervals = against_reference(rows, 1)
    assert intervals[0] == paired(np.subtract(rows[0], rows[1])[:2])
    assert np.isnan(intervals[2]).all()
    assert np.isnan(against_reference(rows, 2)).all()


# --- the best set ---------------------------------------------------------------------------------


def test_the_best_set_leaves_out_what_is_significantly_worse_than_the_lowest():
    rows = [[0.10, 0.14, 0.12], [0.13, 0.10, 0.14], [0.40, 0.41, 0.42], [np.nan] * 3]
    lowest, intervals = against_lowest(rows)
    assert lowest == 0
    assert [interval.low > 0 for interval in intervals] == [False, False, True, False]
    assert best_set(rows).tolist() == [True, True, False, False]


@pytest.mark.parametrize("rows", [[[0.1], [0.9]], [[0.1, 0.1], [0.9, 0.9]]])
def test_one_trial_or_no_spread_leaves_nothing_out(rows):
    assert best_set(rows).all()


def test_of_no_values_nothing_is_best():
    assert not best_set([[np.nan], [np.nan]]).any()


# --- McNemar --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 4), (1, 8), (5, 5), (12, 2), (0, 0)])
def test_mcnemars_test_counts_the_ways_to_be_as_uneven(wins, losses):
    total, least = wins + losses, min(wins, losses)
    p = min(1.0, 2 * sum(math.comb(total, k) for k in range(least + 1)) / 2**total)
    assert mcnemar(wins, losses) == pytest.approx(p, rel=1e-12)
    assert mcnemar(losses, wins) == pytest.approx(p, rel=1e-12)


def test_four_to_none_is_not_significant():
    assert mcnemar(4, 0) == 0.125
