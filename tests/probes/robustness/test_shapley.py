import itertools
from math import factorial

import numpy as np
import pytest

from jtdiag_probes.robustness.shapley import shapley_values

NONE = 0.1


def game(members=4, seed=0):
    """A value for every subset."""
    random = np.random.default_rng(seed)
    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(members), k) for k in range(1, members + 1)
    )
    return {frozenset(s): float(random.random() + 0.3 * len(s)) for s in subsets} | {
        frozenset(): NONE
    }


def by_definition(value, members=4):
    """Σ over subsets without j of |S|!(M−|S|−1)!/M! · (v(S+j) − v(S))."""
    exact = np.zeros(members)
    for j in range(members):
        for subset in value:
            if j not in subset:
                weight = factorial(len(subset)) * factorial(members - len(subset) - 1)
                exact[j] += weight / factorial(members) * (value[subset | {j}] - value[subset])
    return exact


def along(value, orders):
    return np.array(
        [[value[frozenset(order[: k + 1].tolist())] for k in range(len(order))] for order in orders]
    )


ALL_ORDERS = np.array(list(itertools.permutations(range(4))))


def test_one_order_gives_what_each_member_added():
    value, order = game(), np.array([[2, 0, 3, 1]])
    values, error = shapley_values(along(value, order), order, NONE)
    assert values[2] == pytest.approx(value[frozenset({2})] - NONE)
    assert values[0] == pytest.approx(value[frozenset({2, 0})] - value[frozenset({2})])
    assert np.isnan(error).all()


@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_values_add_up_to_that_of_all_minus_that_of_none(count):
    value = game()
    orders = ALL_ORDERS[np.random.default_rng(1).integers(0, 24, count)]
    estimates, _ = shapley_values(along(value, orders), orders, NONE)
    assert estimates.sum() == pytest.approx(value[frozenset(range(4))] - NONE, rel=1e-12)


@pytest.mark.slow
def test_over_many_draws_the_mean_is_the_value_by_definition_and_the_error_is_honest():
    value, random = game(), np.random.default_rng(0)
    draws = []
    for _ in range(3000):
        orders = ALL_ORDERS[random.integers(0, 24, 10)]
        draws.append(shapley_values(along(value, orders), orders, NONE))
    estimates, error = (np.array(part) for part in zip(*draws, strict=True))
    scatter = estimates.std(0)
    np.testing.assert_array_less(
        np.abs(estimates.mean(0) - by_definition(value)), 4 * scatter / np.sqrt(len(estimates))
    )
    np.testing.assert_allclose(np.sqrt((error**2).mean(0)), scatter, rtol=0.15)


def test_the_effect_of_position_adds_no_error_for_equal_members():
    orders = ALL_ORDERS[[0, 9, 17, 23]]
    values = np.broadcast_to([0.7, 0.8, 0.85, 0.87], (4, 4))
    estimates, error = shapley_values(values, orders, NONE)
    np.testing.assert_allclose(estimates, (0.87 - NONE) / 4)
    np.testing.assert_allclose(error, 0, atol=1e-15)


def test_a_member_that_never_matters_is_worth_nothing_over_all_orders():
    value = {s: NONE + len(s - {3}) ** 2 / 10 for s in game()}
    estimates, _ = shapley_values(along(value, ALL_ORDERS), ALL_ORDERS, NONE)
    assert estimates[3] == pytest.approx(by_definition(value)[3] + 0, abs=0.05)
    assert by_definition(value)[3] == 0
