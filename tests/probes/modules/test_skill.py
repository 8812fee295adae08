import numpy as np
import pytest

from jtdiag_probes.modules.skill import effective_modules, shares


def slowly(inputs, modules, chance):
    """Shares by a loop: what is reached for the first time."""
    best, gains = 0.0, []
    for error in (inputs, *modules):
        skill = max(0.0, chance - error)
        gains.append(max(0.0, skill - best))
        best = max(best, skill)
    return [gain / best for gain in gains]


def test_shares_are_what_is_reached_first_and_sum_to_1():
    inputs, share = shares(np.array(0.5), np.array([0.3, 0.4, 0.1, 0.2]), 0.9)
    np.testing.assert_allclose([inputs, *share], [0.5, 0.25, 0, 0.25, 0])


def test_shares_are_those_of_a_loop():
    random = np.random.default_rng(0)
    inputs, modules = random.uniform(0, 1, 200), random.uniform(0, 1, (200, 5))
    share_of_inputs, share = shares(inputs, modules, 0.9)
    for i in range(200):
        expected = slowly(inputs[i], modules[i], 0.9)
        np.testing.assert_allclose([share_of_inputs[i], *share[i]], expected, atol=1e-12)
    np.testing.assert_allclose(share_of_inputs + share.sum(-1), 1)


@pytest.mark.parametrize("errors", [[0.9, 0.95], [np.nan, 0.1], [0.1, np.nan]])
def test_without_skill_or_with_an_error_missing_there_are_no_shares(errors):
    inputs, share = shares(np.array(0.9), np.array(errors), 0.9)
    assert np.isnan([inputs, *share]).all()


def test_the_effective_number_is_that_of_dominance():
    np.testing.assert_allclose(effective_modules(np.array([0.1, 0.1, 0.1, 0.1])), 4)
    np.testing.assert_allclose(effective_modules(np.array([0.0, 0.2, 0.0])), 1)
    np.testing.assert_allclose(effective_modules(np.array([0.2, 0.1, 0.1])), 1 / 0.375)


def test_where_no_module_adds_anything_there_is_no_number():
    assert np.isnan(effective_modules(np.array([[0.0, 0.0], [np.nan, np.nan]]))).all()
