"""Scores of one predictor: closed forms, scikit-learn, and enumeration of outcomes."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from jtdiag_probes.calibration.reliability import (
    brier_score,
    calibration_error,
    confidence,
    equal_mass,
    equal_width,
    error_by_chance,
    in_bins,
    loss,
    squared_error,
    temperature,
)


@pytest.fixture
def predictions():
    """Logits (500, 4) and classes that partly agree with them."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (500, 4))
    target = (logits + random.gumbel(0, 1.5, logits.shape)).argmax(-1)
    return logits, target


def softmax(logits):
    q = np.exp(logits)
    return q / q.sum(-1, keepdims=True)


def test_brier_and_loss_are_scikit_learns(predictions):
    logits, target = predictions
    q = softmax(logits)
    assert loss(logits, target) == pytest.approx(log_loss(target, q), rel=1e-12)
    sklearns = brier_score_loss(target, q, scale_by_half=False)
    assert brier_score(logits, target) == pytest.approx(sklearns, rel=1e-12)


def test_who_knows_nothing_has_the_brier_score_of_a_guess():
    for classes in (2, 5, 10):
        guess = brier_score(np.zeros((7, classes)), np.arange(7) % classes)
        assert guess == pytest.approx(1 - 1 / classes, rel=1e-14)
        assert loss(np.zeros((7, classes)), np.arange(7) % classes) == pytest.approx(
            math.log(classes), rel=1e-14
        )


def test_confidence_and_losses_are_invariant_to_shifts_of_logits(predictions):
    logits, target = predictions
    far = logits + np.random.default_rng(1).normal(0, 1e4, (500, 1))
    np.testing.assert_allclose(confidence(far), confidence(logits), rtol=1e-10)
    assert brier_score(far, target) == pytest.approx(brier_score(logits, target), rel=1e-10)
    assert temperature(far, target) == pytest.approx(temperature(logits, target), rel=1e-8)


@pytest.mark.parametrize(
    ("binning", "strategy"), [(equal_width, "uniform"), (equal_mass, "quantile")]
)
def test_the_curve_is_scikit_learns(predictions, binning, strategy):
    logits, target = predictions
    sure, right = confidence(logits), logits.argmax(-1) == target
    bins = in_bins(sure, right, binning(sure, 10), 10)
    accuracy, mean = calibration_curve(right, sure, n_bins=10, strategy=strategy)
    filled = bins.count > 0
    np.testing.assert_allclose(bins.accuracy[filled], accuracy, rtol=1e-12)
    np.testing.assert_allclose(bins.confidence[filled], mean, rtol=1e-12)


def test_the_calibration_error_is_the_slow_sum_over_bins(predictions):
    logits, target = predictions
    sure, right = confidence(logits), logits.argmax(-1) == target
    slow = 0.0
    for b in range(15):
        examples = [i for i in range(500) if b / 15 < sure[i] <= (b + 1) / 15]
        slow += abs(sum(right[i] - sure[i] for i in examples)) / 500
    bins = in_bins(sure, right, equal_width(sure, 15), 15)
    assert calibration_error(bins) == pytest.approx(slow, rel=1e-12)


def test_on_the_edge_of_a_bin_the_lower_one_counts():
    assert equal_width(np.array([0.2, 0.2000001, 0.4, 1.0, 0.1]), 5).tolist() == [0, 1, 1, 4, 0]


def test_bins_of_equal_mass_differ_by_one_at_most():
    values = np.random.default_rng(0).random(101)
    bin_of = equal_mass(values, 7)
    count = np.bincount(bin_of)
    assert count.max() - count.min() == 1
    assert all(np.diff(bin_of[np.argsort(values)]) >= 0)
    assert equal_mass(np.full(6, 0.5), 3).tolist() == [0, 0, 1, 1, 2, 2]


def test_always_correct_predictions_with_confidence_one_half_have_an_error_of_one_half():
    sure, right = np.full(20, 0.5), np.ones(20, bool)
    bins = in_bins(sure, right, equal_width(sure, 15), 15)
    assert calibration_error(bins) == pytest.approx(0.5)
    assert squared_error(bins) == pytest.approx(0.25)


# --- what noise does ------------------------------------------------------------------------------


def outcomes(true):
    """Every combination of correct and wrong examples, with its probability."""
    for right in itertools.product([False, True], repeat=len(true)):
        yield (
            np.array(right),
            math.prod(t if r else 1 - t for t, r in zip(true, right, strict=True)),
        )


@pytest.mark.parametrize("sure", [[0.7] * 6, [0.62, 0.65, 0.71, 0.74, 0.78, 0.79]])
def test_the_debiased_error_is_right_on_average(sure):
    """Over all 2⁶ outcomes; all examples have one true accuracy, so that the variance is exact."""
    sure = np.array(sure)
    bin_of = np.zeros(6, int)
    if np.ptp(sure) == 0:
        true = np.full(6, 0.5)
        expected = (0.5 - 0.7) ** 2
        mean = sum(p * squared_error(in_bins(sure, r, bin_of, 1)) for r, p in outcomes(true))
        assert mean == pytest.approx(expected, abs=1e-12)
        return
    # Pairs (confidence, right) drawn alike: each confidence equally likely, right with that + 0.1.
    mean = 0.0
    for drawn in itertools.product(range(6), repeat=3):
        three = sure[list(drawn)]
        for right, p in outcomes(three + 0.1):
            mean += p / 6**3 * squared_error(in_bins(three, right, np.zeros(3, int), 1))
    assert mean == pytest.approx(0.1**2, abs=1e-12)


def test_where_confidences_are_equal_the_debiased_error_is_that_of_kumar_and_others():
    right = np.array([True] * 7 + [False] * 3 + [True] * 2 + [False] * 2)
    sure = np.array([0.9] * 10 + [0.4] * 4)
    debiased = squared_error(in_bins(sure, right, equal_width(sure, 5), 5))
    first = (0.7 - 0.9) ** 2 - 0.7 * 0.3 / 9
    second = (0.5 - 0.4) ** 2 - 0.5 * 0.5 / 3
    assert debiased == pytest.approx(10 / 14 * first + 4 / 14 * second, rel=1e-12)


def test_the_error_by_chance_is_that_of_a_binomial():
    count, p = 200, 0.8
    sure = np.full(count, p)
    k = np.arange(count + 1)
    exact = float((binom.pmf(k, count, p) * np.abs(k / count - p)).sum())
    bins = in_bins(sure, np.ones(count, bool), equal_width(sure, 15), 15)
    assert error_by_chance(bins) == pytest.approx(exact, rel=0.01)


def test_no_examples_and_bins_of_one_have_no_error():
    none = in_bins(np.empty(0), np.empty(0, bool), np.empty(0, int), 3)
    assert math.isnan(calibration_error(none))
    assert math.isnan(squared_error(none))
    lonely = in_bins(np.array([0.1, 0.9]), np.array([True, True]), np.array([0, 2]), 3)
    assert math.isnan(squared_error(lonely))


# --- temperature ----------------------------------------------------------------------------------


def test_the_temperature_of_two_classes_has_a_closed_form():
    """Logits ±a, correct in a share p: q must become p, so 2a/T = log p/(1−p)."""
    logits = np.tile([[3.0, -3.0]], (10, 1))
    target = np.array([0] * 8 + [1] * 2)
    assert temperature(logits, target) == pytest.approx(6 / math.log(4), rel=1e-9)


def test_the_temperature_has_the_lowest_loss(predictions):
    logits, target = predictions
    fitted = temperature(logits, target)
    searched = minimize_scalar(
        lambda t: loss(logits / t, target), bounds=(0.05, 20), method="bounded"
    )
    assert fitted == pytest.approx(searched.x, rel=1e-4)
    assert loss(logits / fitted, target) <= searched.fun


def test_the_temperature_of_scaled_logits_is_recovered(predictions):
    logits, target = predictions
    assert temperature(3.7 * logits, target) == pytest.approx(
        3.7 * temperature(logits, target), rel=1e-8
    )


def test_a_loss_without_a_minimum_within_the_bounds_has_no_temperature():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert math.isnan(temperature(logits, np.array([0, 1])))
    assert math.isnan(temperature(logits, np.array([1, 0])))


def test_a_member_that_diverged_has_no_temperature():
    assert math.isnan(temperature(np.array([[np.nan, 0.0]]), np.array([0])))
