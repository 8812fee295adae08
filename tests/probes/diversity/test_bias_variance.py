import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import sem

from jtdiag_probes.diversity.bias_variance import TERMS, Sums, jackknife, residual

SEEDS = st.integers(0, 2**32 - 1)


def some(seed, trials=4, members=3, examples=5, classes=4, scale=2.0):
    """Log-probabilities (D, M, n, K) and classes (n,)."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, scale, (trials, members, examples, classes))
    return log_softmax(logits, -1), random.integers(0, classes, examples)


def sums_of(log_q):
    total = Sums.of(log_q[0])
    for trial in log_q[1:]:
        total = total + Sums.of(trial)
    return total


def kl(p, q):
    return (p * (np.log(p) - np.log(q))).sum(-1)


def centroid(q, axis):
    """The normalised geometric mean, by its definition."""
    mean = np.exp(np.log(q).mean(axis))
    return mean / mean.sum(-1, keepdims=True)


def by_definition(log_q, target):
    """Every term as Wood et al. 2023 define it, with probabilities, (n,) each."""
    q = np.exp(log_q)
    n = np.arange(q.shape[2])
    ensembles, members = centroid(q, 1), centroid(q, 0)
    whole = centroid(ensembles, 0)
    return {
        "expected_loss": -np.log(ensembles[:, n, target]).mean(0),
        "average_bias": -np.log(members[:, n, target]).mean(0),
        "average_variance": kl(members, q).mean((0, 1)),
        "diversity": kl(ensembles[:, None], q).mean((0, 1)),
        "ensemble_bias": -np.log(whole[n, target]),
        "ensemble_variance": kl(whole, ensembles).mean(0),
        "disparity": kl(whole, members).mean(0),
    }


@pytest.mark.slow
@settings(max_examples=30)
@given(SEEDS)
def test_every_term_is_its_definition(seed):
    log_q, target = some(seed)
    terms, expected = sums_of(log_q).terms(target), by_definition(log_q, target)
    assert tuple(terms) == TERMS
    for name in TERMS:
        np.testing.assert_allclose(terms[name], expected[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.slow
@settings(max_examples=30)
@given(SEEDS, st.sampled_from([0.1, 3.0, 100.0]))
def test_bias_plus_variance_minus_diversity_is_the_expected_loss(seed, scale):
    log_q, target = some(seed, scale=scale)
    t = sums_of(log_q).terms(target)
    size = np.maximum(1, t["average_bias"] + t["average_variance"])
    whole = t["average_bias"] + t["average_variance"] - t["diversity"]
    assert (np.abs(whole - t["expected_loss"]) <= 1e-12 * size).all()
    assert (np.abs(t["ensemble_bias"] + t["disparity"] - t["average_bias"]) <= 1e-12 * size).all()
    ensemble = t["average_variance"] + t["disparity"] - t["diversity"]
    assert (np.abs(ensemble - t["ensemble_variance"]) <= 1e-12 * size).all()
    assert residual(t).max() < 1e-12


def test_a_wrong_term_shows_in_the_residual():
    log_q, target = some(0)
    terms = sums_of(log_q).terms(target)
    for name in ("diversity", "average_variance", "disparity", "ensemble_bias"):
        wrong = terms | {name: terms[name] * (1 + 1e-6)}
        assert residual(wrong).max() > 1e-9


def test_of_trials_that_are_all_alike_there_is_no_variance():
    log_q, target = some(1, trials=1)
    terms = sums_of(np.repeat(log_q, 3, axis=0)).terms(target)
    for name in ("average_variance", "ensemble_variance"):
        np.testing.assert_allclose(terms[name], 0, atol=1e-13)
    np.testing.assert_allclose(terms["disparity"], terms["diversity"], atol=1e-12)


def test_an_only_member_has_variance_and_no_diversity():
    log_q, target = some(2, members=1)
    terms = sums_of(log_q).terms(target)
    for name in ("diversity", "disparity"):
        np.testing.assert_allclose(terms[name], 0, atol=1e-13)
    np.testing.assert_allclose(terms["average_variance"], terms["ensemble_variance"], atol=1e-12)


def test_a_trial_taken_out_leaves_the_others():
    log_q, target = some(3)
    without = (sums_of(log_q) - Sums.of(log_q[1])).terms(target)
    expected = by_definition(log_q[[0, 2, 3]], target)
    for name in TERMS:
        np.testing.assert_allclose(without[name], expected[name], atol=1e-12)


def test_two_sure_members_of_two_trials_are_the_closed_form():
    """Trials that swap roles: centroids are flat, so all loss is variance less diversity."""
    sure = np.log(softmax([[3.0, 0.0]], -1))
    log_q = np.array([[sure, sure[:, ::-1]], [sure[:, ::-1], sure]])
    terms = {name: float(value[0]) for name, value in sums_of(log_q).terms(np.array([0])).items()}
    apart = float(kl(np.full(2, 0.5), np.exp(sure[0])))
    assert terms["average_bias"] == pytest.approx(np.log(2), rel=1e-12)
    assert terms["average_variance"] == pytest.approx(apart, rel=1e-12)
    assert terms["diversity"] == pytest.approx(apart, rel=1e-12)
    assert terms["expected_loss"] == pytest.approx(np.log(2), rel=1e-12)


@pytest.mark.parametrize("trials", [2, 3, 7])
def test_of_a_mean_the_jackknife_is_its_standard_error(trials):
    values = np.random.default_rng(0).normal(size=(trials, 4))
    without = np.stack([np.delete(values, t, 0).mean(0) for t in range(trials)])
    np.testing.assert_allclose(jackknife(without), sem(values), rtol=1e-12)


# --- quickly ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_terms_of_a_few_trials_are_their_definitions(seed):
    log_q, target = some(seed)
    sums = sums_of(log_q)
    terms, expected = sums.terms(target), by_definition(log_q, target)
    assert (sums.trials, tuple(terms)) == (4, TERMS)
    for name in TERMS:
        assert terms[name].shape == (5,)
        np.testing.assert_allclose(terms[name], expected[name], rtol=0, atol=1e-12, err_msg=name)
    assert residual(terms).max() < 1e-12


def test_sums_without_a_trial_count_one_less():
    log_q, _ = some(0)
    assert (sums_of(log_q) - Sums.of(log_q[2])).trials == 3
    assert Sums.of(log_q[0]).trials == 1


def test_the_residual_is_the_larger_error_relative_to_the_loss_of_the_members():
    terms = {
        "average_bias": np.array([3.0, 0.25, 3.0, 0.0]),
        "average_variance": np.array([1.0, 0.25, 1.0, -4.0]),
        "diversity": np.array([0.5, 0.125, 0.5, 0.0]),
        "expected_loss": np.array([3.0, 0.125, 3.5, -4.0]),  # off by 0.5, 0.25, 0 and 0
        "ensemble_bias": np.array([2.0, 0.125, 2.0, 1.0]),
        "disparity": np.array([1.0, 0.125, 2.0, -3.0]),  # off by 0, 0, 1 and 2
    }
    assert residual(terms).tolist() == [0.5 / 4, 0.25, 1 / 4, 2 / 4]


def test_the_jackknife_of_two_values_is_half_their_distance():
    assert jackknife(np.array([[1.0, 2.0], [4.0, 2.0]])).tolist() == [1.5, 0.0]
