"""The closed forms of the race against the flow of the weights, and against each other."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from jtdiag import race

START = [0.011, 0.010, 0.009, 0.008]


def flow_of_weights(depth, start, lam, time, target):
    """The members' strengths when every weight is integrated, by the gradient of Eq. 4."""
    members = len(start)
    balanced = np.repeat((np.asarray(start) ** (1 / depth))[:, None], depth, 1)

    def slope(_, flat):
        weights = flat.reshape(members, depth)
        strengths = weights.prod(1)
        by_output = lam * (strengths.mean() - target) + (1 - lam) * (strengths - target)
        others = np.array([[np.delete(row, i).prod() for i in range(depth)] for row in weights])
        return -(by_output[:, None] * others / members).ravel()

    solution = solve_ivp(slope, (0, time), balanced.ravel(), rtol=1e-10, atol=1e-12)
    return solution.y[:, -1].reshape(members, depth).prod(1)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("target", [1.0, 0.4])
def test_the_closed_form_is_where_the_flow_of_all_weights_ends(depth, target):
    end = flow_of_weights(depth, START, 1.0, 300.0, target)
    np.testing.assert_allclose(race.settled(depth, START, target), end, atol=1e-7)
    assert race.settled(depth, START, target).mean() == pytest.approx(target, rel=1e-12)


@pytest.mark.parametrize(("depth", "lam"), [(1, 0.0), (2, 0.5), (3, 0.9), (5, 1.0)])
def test_the_flow_of_strengths_is_that_of_all_weights(depth, lam):
    for time in (3.0, 30.0):
        expected = flow_of_weights(depth, START, lam, time, 0.7)
        np.testing.assert_allclose(race.flow(depth, START, lam, time, 0.7), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("depth", "percent"),
    [(2, [29, 26, 24, 21]), (3, [45, 27, 17, 11]), (4, [65, 21, 9, 5]), (6, [83, 11, 4, 2])],
)
def test_a_head_start_of_ten_percent_is_worth_more_with_every_layer(depth, percent):
    ended = race.shares(race.settled(depth, START))
    assert np.round(100 * ended).tolist() == percent


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_what_each_depth_conserves_is_conserved(depth):
    start, end = np.array(START), race.settled(depth, START)
    conserved = np.log if depth == 2 else lambda s: s ** -(1 - 2 / depth)
    np.testing.assert_allclose(
        np.diff(conserved(end)), np.diff(conserved(start)), rtol=1e-9, atol=1e-9
    )


def test_members_that_start_too_strong_shrink_to_the_target():
    for depth in (2, 3, 6):
        end = race.settled(depth, [3.0, 2.0, 1.0])
        assert end.mean() == pytest.approx(1)
        assert (np.diff(end) < 0).all()
        np.testing.assert_allclose(race.flow(depth, [3.0, 2.0, 1.0], 1.0, 200.0), end, atol=1e-7)


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_equal_members_stay_equal_and_one_member_takes_all(depth):
    np.testing.assert_allclose(race.settled(depth, [0.01] * 5, 2.0), 2.0, rtol=1e-12)
    np.testing.assert_allclose(race.settled(depth, [0.3], 2.0), [2.0], rtol=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_slow_flow_is_the_limit_of_the_flow_at_the_same_slow_time(depth):
    start, tau = [0.02, 0.01, 0.005, 0.0025], 10.0
    predicted = race.slow_flow(depth, race.settled(depth, start), tau)
    deviations = []
    for lam in (0.99, 0.999):
        time = tau * len(start) / depth / (1 - lam)
        assert race.slow_time(depth, len(start), lam, time) == pytest.approx(tau)
        deviations.append(abs(race.flow(depth, start, lam, time) - predicted).max())
    assert deviations[1] < 1e-3
    assert deviations[1] < 0.2 * deviations[0]


def test_on_the_slow_clock_the_ensemble_stays_and_members_meet_at_the_target():
    start = race.settled(4, [0.02, 0.01, 0.005, 0.0025], 0.5)
    for tau in (1.0, 10.0, 100.0):
        assert race.slow_flow(4, start, tau).mean() == pytest.approx(0.5, abs=1e-8)
    np.testing.assert_allclose(race.slow_flow(4, start, 100.0), 0.5, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, START), "depth is 0; it must be a whole number, 1 or more"),
        ((2, [[1.0]]), r"The strengths have shape \(1, 1\); they must be \(M,\)"),
        ((3, [0.1, 0.0]), "must be greater than 0: a chain of 3 equal weights does not leave 0"),
        ((2, [0.1, np.nan]), "must be finite"),
        ((2, START, -1.0), "must be greater than 0"),
    ],
)
def test_what_cannot_race_is_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        race.settled(*arguments)


def test_a_lambda_above_one_and_a_negative_time_are_one_line():
    with pytest.raises(ValueError, match=r"lam is 1\.5; it must be in \[0, 1\]"):
        race.flow(2, START, 1.5, 1.0)
    with pytest.raises(ValueError, match=r"The time is -1\.0; it must be 0 or more"):
        race.slow_flow(2, START, -1.0)
