import numpy as np
import pytest
from scipy.optimize import minimize

from jtdiag_probes.layers import linear_probe
from jtdiag_probes.layers.linear_probe import STRENGTHS, evaluate


def examples(seed, count=300, noise=1.0, classes=3, features=5):
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, count)
    centers = np.random.default_rng(99).normal(0, 1, (classes, features))
    return centers[target] + random.normal(0, noise, (count, features)), target


def slow_fit(features, target, strength):
    """Minimize Σ cross-entropy + |W|² / 2C with scipy; return W (K, d) and b (K,)."""
    count, classes = features.shape[1], target.max() + 1

    def loss(parameters):
        weight = parameters[: classes * count].reshape(classes, count)
        logits = features @ weight.T + parameters[classes * count :]
        log_norm = np.logaddexp.reduce(logits, axis=1)
        nll = (log_norm - logits[np.arange(len(target)), target]).sum()
        return nll + (weight**2).sum() / (2 * strength)

    found = minimize(loss, np.zeros(classes * (count + 1)), method="BFGS", tol=1e-9).x
    return found[: classes * count].reshape(classes, count), found[classes * count :]


def test_the_probe_is_logistic_regression_on_standardized_features():
    train, validation, held_out = examples(0, 120), examples(1), examples(2)
    measured = evaluate(train, validation, held_out)
    assert measured.strength in STRENGTHS
    mean, sd = train[0].mean(0), train[0].std(0)
    weight, bias = slow_fit((train[0] - mean) / sd, train[1], measured.strength)
    logits = (held_out[0] - mean) / sd @ weight.T + bias
    assert measured.error == pytest.approx((logits.argmax(1) != held_out[1]).mean(), abs=0.01)
    nll = np.logaddexp.reduce(logits, 1) - logits[np.arange(len(logits)), held_out[1]]
    assert measured.loss == pytest.approx(nll.mean(), rel=0.01)


def test_scale_and_shift_of_a_feature_do_not_matter():
    parts = [examples(seed) for seed in range(3)]
    moved = [(z * [1e-3, 1, 1e4, 5, 1] + 7, y) for z, y in parts]
    assert evaluate(*moved).error == evaluate(*parts).error


def test_noise_is_at_chance_and_separated_classes_are_not():
    noise = [(z, np.random.default_rng(9).permutation(y)) for z, y in map(examples, range(3))]
    assert evaluate(*noise).error > 0.5
    assert evaluate(*[examples(seed, noise=0.05) for seed in range(3)]).error == 0


def test_the_penalty_is_chosen_on_validation_examples():
    """With few noisy examples in many dimensions, a strong penalty generalizes better."""
    few = [examples(seed, count, noise=3, features=80) for seed, count in ((0, 40), (1, 2000))]
    strengths = {s: _error_with(few[0], few[1], s) for s in STRENGTHS}
    measured = evaluate(few[0], few[1], few[1])
    assert measured.error == pytest.approx(min(strengths.values()), abs=0.005)
    assert max(strengths.values()) > min(strengths.values()) + 0.01


def _error_with(train, validation, strength, monkeypatch=pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(linear_probe, "STRENGTHS", (strength,))
        return evaluate(train, validation, validation).error


def test_a_class_that_was_not_seen_has_no_loss():
    train, validation, held_out = examples(0), examples(1), examples(2)
    seen = train[1] < 2
    measured = evaluate((train[0][seen], train[1][seen]), validation, held_out)
    assert np.isnan(measured.loss)
    assert measured.error >= (held_out[1] == 2).mean()


@pytest.mark.parametrize(
    "train",
    [
        (np.full((5, 2), np.nan), np.arange(5) % 2),
        (np.ones((5, 2)), np.arange(5) % 2),
        (np.arange(10.0).reshape(5, 2), np.zeros(5, int)),
    ],
    ids=["not finite", "constant", "one class"],
)
def test_where_nothing_can_be_fitted(train):
    other = np.arange(10.0).reshape(5, 2), np.arange(5) % 2
    assert np.isnan(evaluate(train, other, other).error)


def test_the_loss_of_an_example_far_on_the_wrong_side_is_finite():
    random = np.random.default_rng(0)
    z = random.normal(size=(60, 2))
    target = (z[:, 0] > 0).astype(int)
    far = np.array([[1e4, 0.0]])
    found = linear_probe.evaluate_with((z, target), (far, np.array([0])), 1.0)
    assert found.error == 1
    assert 1e3 < found.loss < np.inf
