"""Whether a lane's numbers can be used at all."""

import numpy as np
import pytest

from jtdiag.rules import limits, usable
from jtdiag.rules.contract import History


def history(*, member_loss=1.0, ensemble_loss=1.0, ensemble_error=0.1, **more):
    """Two epochs of two members; the given numbers are those of the second epoch."""
    facts = {
        "epoch": np.arange(2),
        "member_error": np.full((2, 2), 0.5),
        "member_loss": np.array([[1.0, 1.0], [1.0, member_loss]]),
        "ensemble_error": np.array([0.9, ensemble_error]),
        "ensemble_loss": np.array([1.0, ensemble_loss]),
        "chance_error": 0.9,
        "chance_loss": 2.0,
    }
    return History(**(facts | more))


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf, 1e308, 2.1e6])
@pytest.mark.parametrize("whose", ["member_loss", "ensemble_loss"])
def test_one_loss_beyond_use_is_divergence(loss, whose):
    assert usable.has_diverged(history(**{whose: loss}))


def test_large_losses_are_compared_with_the_first_epoch_and_with_chance_level():
    assert not usable.has_diverged(history(member_loss=1.9e6))
    assert usable.has_diverged(history(member_loss=1.9e6, chance_loss=None))
    large = history(member_loss=1e9, ensemble_loss=1e9)
    assert usable.has_diverged(large)
    large.ensemble_loss[0] = 1e4  # targets in large units
    assert not usable.has_diverged(large)


def test_a_loss_that_was_never_finite_is_divergence():
    never = history(ensemble_loss=np.nan)
    never.ensemble_loss[0] = np.nan
    assert usable.has_diverged(never)


@pytest.mark.parametrize(("error", "learned"), [(0.1, True), (0.80, True), (0.82, False)])
def test_learning_is_a_tenth_of_the_error_at_chance_level(error, learned):
    assert usable.has_learned_something(history(ensemble_error=error)) == learned


def test_with_few_examples_the_noise_counts():
    # 0.9 − 0.7 = 0.2 against 2 √(0.7 · 0.3 / n): 0.21 for 19 examples, 0.195 for 22
    assert not usable.has_learned_something(history(ensemble_error=0.7, examples=19))
    assert usable.has_learned_something(history(ensemble_error=0.7, examples=22))


def test_nan_and_infinity_have_learned_nothing():
    for error in (np.nan, np.inf):
        assert not usable.has_learned_something(history(ensemble_error=error, examples=10))


def test_less_is_needed_than_for_comparing_members():
    assert limits.LEARNED < limits.LEAST_SKILL
    assert limits.LEARNED_SE < limits.LEAST_SKILL_SE
