import numpy as np
import pytest
from scipy import stats

from jtdiag.compare.from_end_to_end import gaps
from jtdiag.stats import smallest_detectable

A = [[0.020, 0.022, 0.026, 0.021], [0.030, 0.032, 0.034, 0.031]]
B = [[0.040, 0.047, 0.043, 0.049], [0.031, 0.030, 0.036, 0.033]]
C = [[0.080, 0.077, 0.073, 0.079], [0.061, 0.060, 0.066, 0.063]]


def by_scipy(a, b, comparisons):
    level = 1 - 0.05 / comparisons
    points = 100 * (np.array(b) - np.array(a))
    return points.mean(), *stats.ttest_1samp(points, 0).confidence_interval(level)


def test_intervals_are_students_and_hold_for_all_runs_and_lambdas_together(credited):
    of, whole = credited.of, credited.whole
    found = gaps([("e2e", whole(A)), ("b", of(B, mu=0.0)), ("c", of(C, rule="proxy, al"))])
    assert [(gap.run, gap.lam) for gap in found] == [("b", 0), ("b", 1), ("c", 0), ("c", 1)]
    pairs = [(a, other) for errors in (B, C) for a, other in zip(A, errors, strict=True)]
    for gap, (a, other) in zip(found, pairs, strict=True):
        np.testing.assert_allclose(gap.points, by_scipy(a, other, 4), rtol=1e-9)
        expected = smallest_detectable(100 * (np.array(other) - a), 4)
        assert gap.detectable == pytest.approx(expected, rel=1e-9)
        assert (gap.reference, gap.trials, gap.comparisons) == ("e2e", 4, 4)


def test_trials_are_pairs_by_their_number(credited):
    of, whole = credited.of, credited.whole
    later = of(B).isel(trial=[3, 1, 2])
    [first, _] = gaps([("e2e", whole(A)), ("b", later)])
    a, b = np.array(A[0])[1:], np.array(B[0])[1:]
    assert first.trials == 3
    np.testing.assert_allclose(first.points, by_scipy(a, b, 2), rtol=1e-9)


def test_missing_trials_and_lambdas_are_left_out(credited):
    of, whole = credited.of, credited.whole
    b = np.array(B)
    b[0, 0] = np.nan  # diverged
    found = gaps([("e2e", whole(A)), ("b", of(b, lams=(0.0, 0.5)))])
    assert [(gap.lam, gap.trials) for gap in found] == [(0.0, 3)]
    assert gaps([("e2e", whole(A)), ("b", of(np.full((2, 4), np.nan)))]) == []


def test_a_run_is_compared_with_the_first_that_is_end_to_end_in_its_own_setting(credited):
    of, whole = credited.of, credited.whole
    found = gaps(
        [
            ("tanh targets", of(B, setting="tanh")),
            ("relu", whole(A)),
            ("tanh", whole(C, setting="tanh")),
            ("again", whole(A)),
            ("other seed", of(B, setting="seed 3")),
        ]
    )
    pairs = {(gap.run, gap.reference) for gap in found}
    assert pairs == {("tanh targets", "tanh"), ("again", "relu")}


def test_one_trial_has_a_difference_and_no_interval(credited):
    of, whole = credited.of, credited.whole
    [gap, _] = gaps([("e2e", whole(np.array(A)[:, :1])), ("b", of(np.array(B)[:, :1]))])
    assert gap.points.mean == pytest.approx(2.0)
    assert not gap.points.exists
    assert gap.comparisons == 1


def test_results_of_older_versions_are_left_out(credited):
    of, whole = credited.of, credited.whole
    old = of(B).drop_attrs()
    assert gaps([("e2e", whole(A)), ("old", old)]) == []
    assert gaps([("only", whole(A))]) == gaps([]) == []
