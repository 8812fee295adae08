import numpy as np
import pytest
from scipy.stats import ttest_rel

from jtdiag.stats import against_lowest, against_reference, best_set, from_lowest, paired


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


def test_a_candidate_with_a_single_trial_is_a_candidate():
    """Its mean might have been the lowest, so its comparisons count."""
    values = np.array([[1.0, 1.25, 1.5], [2.0, 2.5, 2.25], [3.0, np.nan, np.nan]])
    lowest, intervals = against_lowest(values)
    assert lowest == 0
    assert intervals[1] == pytest.approx(paired(values[1] - values[0], 3))
    assert intervals[2].mean == 2.0
    assert not intervals[2].exists


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


def test_two_trials_are_too_few_to_leave_anything_out():
    rows = np.array([[0.1, 0.1001, 0.1003], [0.9, 0.9002, 0.9001]])
    assert from_lowest(rows[:, :2]).worse.tolist() == [False, True]
    assert best_set(rows[:, :2]).all()
    assert best_set(rows).tolist() == [True, False]


def test_many_data_sets_at_once_give_the_same_as_each():
    random = np.random.default_rng(0)
    values = random.normal(size=(40, 4, 5)) + np.array([0, 0.2, 3, 6])[:, None]
    values[random.random(values.shape) < 0.1] = np.nan
    values[:2, 1] = np.nan
    values[2] = np.nan
    together, sets = from_lowest(values), best_set(values)
    assert 0 < sets.sum() < sets.size
    for i, one in enumerate(values):
        lowest, intervals = against_lowest(one)
        assert together.lowest[i] == lowest
        measured = [row for row in one if np.isfinite(row).any()]
        for j, interval in enumerate(intervals):
            row = one[j] - one[lowest]
            slow = paired(row[np.isfinite(row)], max(1, len(measured) * (len(measured) - 1) // 2))
            if j != lowest:
                np.testing.assert_allclose(interval, slow, rtol=1e-9)
            ends = together.mean[i, j], together.low[i, j], together.high[i, j]
            np.testing.assert_array_equal(ends, interval)
        np.testing.assert_array_equal(best_set(one), sets[i])
