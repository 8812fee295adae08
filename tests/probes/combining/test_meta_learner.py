import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jtdiag_probes.combining import meta_learner
from jtdiag_probes.combining.meta_learner import STRENGTH, features, fit


def members(examples=120, count=3, outputs=4, seed=0):
    """Logits (M, n, K) that carry some information on their targets, at different scales."""
    random = np.random.default_rng(seed)
    target = random.integers(outputs, size=examples)
    logits = random.normal(0, 1, (count, examples, outputs))
    logits[:, np.arange(examples), target] += 1
    return logits * np.array([0.1, 1, 20])[:count, None, None] + 3, target


def test_features_lie_member_by_member():
    logits, _ = members(5)
    side_by_side = features(logits)
    for j in range(3):
        for k in range(4):
            assert side_by_side[:, 4 * j + k].tolist() == logits[j, :, k].tolist()


def test_the_meta_learner_is_scikit_learns_on_standardised_features():
    logits, target = members()
    learner = fit(features(logits), target, 4)
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    plain.fit(features(logits), target)
    unseen, _ = members(seed=1)
    np.testing.assert_allclose(
        log_softmax(learner(unseen), -1), plain.predict_log_proba(features(unseen)), atol=1e-9
    )
    assert learner.converged
    assert learner.iterations == plain[-1].n_iter_.max()


def test_its_coefficients_minimise_the_penalised_likelihood():
    logits, target = members(60, 2, 3)
    learner = fit(features(logits), target, 3)
    x = StandardScaler().fit_transform(features(logits))
    sd = features(logits).std(0)

    def objective(flat):
        weights, constants = flat[:-3].reshape(3, 6), flat[-3:]
        log_q = log_softmax(x @ weights.T + constants, -1)
        return (weights**2).sum() / 2 - STRENGTH * log_q[np.arange(60), target].sum()

    best = minimize(objective, np.zeros(21), method="BFGS", options={"gtol": 1e-7})
    mine = learner.coefficient.reshape(3, 6) * sd
    np.testing.assert_allclose(mine, best.x[:-3].reshape(3, 6), atol=2e-4)


@pytest.mark.parametrize("present", [(0, 2), (0, 1, 3)])
def test_a_class_that_was_not_seen_is_never_predicted(present):
    logits, target = members()
    seen = np.isin(target, present)
    learner = fit(features(logits[:, seen]), target[seen], 4)
    log_q = log_softmax(learner(logits), -1)
    assert set(log_q.argmax(-1)) <= set(present)
    assert np.isneginf(np.delete(log_q, present, axis=1)).all()
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    plain.fit(features(logits[:, seen]), target[seen])
    expected = plain.predict_log_proba(features(logits))
    np.testing.assert_allclose(log_q[:, list(present)], expected, atol=1e-9)


def test_a_member_with_constant_logits_has_no_weight():
    logits, target = members()
    dead = np.concatenate([logits, np.full((1, 120, 4), 7.0)])
    with_it, without = fit(features(dead), target, 4), fit(features(logits), target, 4)
    assert not with_it.coefficient[:, 3].any()
    np.testing.assert_allclose(with_it(dead), without(logits), atol=1e-9)


def test_what_cannot_be_fitted_is_none():
    logits, target = members()
    assert fit(features(logits), np.zeros(120, dtype=int), 4) is None
    logits[1, 5, 2] = np.inf
    assert fit(features(logits), target, 4) is None


def test_a_fit_that_did_not_converge_is_marked(monkeypatch):
    monkeypatch.setattr(meta_learner, "ITERATIONS", 2)
    logits, target = members()
    learner = fit(features(logits), target, 4)
    assert (learner.converged, learner.iterations) == (False, 2)
