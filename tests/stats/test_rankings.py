import itertools

import numpy as np
import pytest

from jtdiag import stats


def values(sources=8, targets=4, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(sources, targets)), random.uniform(0, 0.3, (sources, targets))


def pairs_tau(score, error):
    """τ-b by counting pairs."""
    signs = [
        (np.sign(score[i] - score[j]), np.sign(error[j] - error[i]))
        for i, j in itertools.combinations(range(len(score)), 2)
    ]
    a, b = np.array(signs).T
    return (a * b).sum() / np.sqrt((a != 0).sum() * (b != 0).sum())


def test_tau_counts_pairs_with_ties():
    score, error = values()
    score[3] = score[1]
    error[2] = error[0]
    expected = [pairs_tau(s, e) for s, e in zip(score.T, error.T, strict=True)]
    np.testing.assert_allclose(stats.kendall(score, error), expected, atol=1e-12)


def test_a_score_that_knows_the_errors_has_tau_1_and_no_regret():
    _, error = values()
    np.testing.assert_allclose(stats.kendall(-error, error), 1)
    np.testing.assert_allclose(stats.regret(-error, error), 0)
    np.testing.assert_allclose(stats.kendall(error, error), -1)
    np.testing.assert_allclose(stats.regret(error, error), np.ptp(error, axis=0))


def test_regret_is_the_mean_over_sources_that_share_the_largest_score():
    score = np.array([[1.0], [2.0], [2.0], [0.0]])
    error = np.array([[0.1], [0.2], [0.4], [0.5]])
    np.testing.assert_allclose(stats.regret(score, error), 0.2)


def test_sources_without_a_value_are_left_out_and_two_are_too_few():
    score, error = values(sources=5, targets=2)
    error[[0, 4], 0] = np.nan
    error[[0, 1, 4], 1] = np.nan
    tau = stats.kendall(score, error)
    assert tau[0] == pytest.approx(pairs_tau(score[1:4, 0], error[1:4, 0]))
    assert np.isnan(tau[1])
    assert np.isnan(stats.regret(score, error)[1])
    assert np.isnan(stats.kendall(np.ones((4, 1)), error[:4, :1])).all()


def test_the_static_ranking_has_not_seen_the_target():
    _, error = values(sources=3, targets=4)
    error[0, 1] = np.nan
    static = stats.static_scores(error)
    for source, target in np.ndindex(3, 4):
        others = np.delete(error[source], target)
        assert static[source, target] == pytest.approx(-np.nanmean(others))
    assert np.isnan(stats.static_scores(error[:, :1])).all()


def test_the_bootstrap_interval_is_reproducible_and_near_that_of_student():
    sample = np.random.default_rng(0).normal(size=60)
    interval = stats.bootstrap_interval([*sample, np.nan])
    expected = stats.mean_interval(sample)
    assert interval == pytest.approx(expected, abs=0.05)
    assert interval == stats.bootstrap_interval(sample)


@pytest.mark.parametrize("sample", [[], [0.1, 0.2, 0.3, 0.4], [0.2] * 6])
def test_there_is_no_interval_for_few_or_equal_values(sample):
    assert not stats.bootstrap_interval(np.array(sample)).exists
