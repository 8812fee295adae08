import math
from collections import Counter

import numpy as np
import pytest

from jtdiag_probes.performance import optimum
from jtdiag_probes.performance.optimum import interval, probabilities, resamples, smoothed


def rng():
    return np.random.default_rng(0)


def test_few_trials_are_resampled_in_every_way():
    drawn = Counter(map(tuple, (3 * resamples(3, rng())).round().astype(int)))
    multinomial = {
        (a, b, 3 - a - b): math.factorial(3)
        // (math.factorial(a) * math.factorial(b) * math.factorial(3 - a - b))
        for a in range(4)
        for b in range(4 - a)
    }
    assert drawn == multinomial


def test_of_many_trials_resamples_are_drawn():
    weights = resamples(8, rng())
    assert weights.shape == (optimum.DRAWN, 8)
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights.mean(0), 1 / 8, atol=0.01)


def test_the_probability_of_two_candidates_is_a_binomial():
    """Of three trials the first candidate wins two by as much as it loses the third."""
    errors = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    wins = 1 - (3 * (1 / 3) ** 2 * (2 / 3) + (1 / 3) ** 3)
    np.testing.assert_allclose(probabilities(errors, rng()), [wins, 1 - wins], rtol=1e-12)


def test_drawn_and_counted_resamples_agree(monkeypatch):
    errors = np.random.default_rng(3).normal(0, 1, (4, 5)) + np.arange(4)[:, None] * 0.2
    exact = probabilities(errors, rng())
    monkeypatch.setattr(optimum, "EXACT_UP_TO", 1)
    np.testing.assert_allclose(probabilities(errors, rng()), exact, atol=0.03)


def test_trials_are_resampled_whole():
    """What moves all candidates of a trial alike changes nothing."""
    errors = rng().normal(0, 0.1, (3, 4))
    shifted = errors + np.array([0, 5, -3, 1])
    np.testing.assert_allclose(probabilities(shifted, rng()), probabilities(errors, rng()))


def test_equals_share():
    np.testing.assert_allclose(probabilities(np.ones((2, 3)), rng()), 0.5)


def test_one_trial_has_no_probabilities():
    probability = probabilities(np.array([[0.1], [0.2]]), rng())
    assert np.isnan(probability).all()
    assert interval(probability) == (-1, -1)


@pytest.mark.parametrize(
    ("probability", "ends"),
    [
        ([0, 1, 0], (1, 1)),
        ([0.02, 0.96, 0.02], (1, 1)),
        ([0.03, 0.94, 0.03], (0, 2)),
        ([0.5, 0, 0.5], (0, 2)),
        ([0.025, 0.95, 0.025], (1, 1)),
    ],
)
def test_the_interval_cuts_a_fortieth_off_each_side(probability, ends):
    assert interval(np.array(probability, float)) == ends


def test_smoothing_keeps_a_line_but_for_its_ends():
    curve = smoothed(np.array([0.0, 1, 2, 3, 4]))
    np.testing.assert_allclose(curve, [1 / 3, 1, 2, 3, 4 - 1 / 3])
    np.testing.assert_allclose(smoothed(np.full(4, 2.0)), 2)
    np.testing.assert_allclose(smoothed(np.array([0.0, 4, 0])), [4 / 3, 2, 4 / 3])
    assert smoothed(np.array([1.0, 2])).tolist() == [1, 2]
