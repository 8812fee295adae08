import itertools
import math

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from jtdiag_probes.robustness import margins, removal
from jtdiag_probes.robustness.removal import (
    OwnSubsets,
    SharedSubsets,
    predicted_loss,
    random_orders,
)


def make(members=5, examples=40, classes=4, seed=0, spread=1.0, dtype=np.float64):
    """Members better than chance, each with independent noise."""
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, examples)
    common = 1.5 * np.eye(classes)[target] + 0.5 * random.standard_normal((examples, classes))
    individual = spread * random.standard_normal((members, examples, classes))
    return (common + individual).astype(dtype), target


def accuracy_and_loss(logits, target):
    mean = logits.mean(0)
    chosen = log_softmax(mean, -1)[np.arange(len(target)), target]
    return (mean.argmax(-1) == target).mean(), -chosen.mean()


def over_all_subsets(logits, target):
    """Mean accuracy and loss over every subset of each size 1…M, by enumeration."""
    members = range(len(logits))
    return np.array(
        [
            np.mean(
                [
                    accuracy_and_loss(logits[list(subset)], target)
                    for subset in itertools.combinations(members, size)
                ],
                axis=0,
            )
            for size in range(1, len(logits) + 1)
        ]
    ).T


def curves(kind, logits, target, step=1000):
    for start in range(0, len(target), step):
        kind.add(logits[:, start : start + step], target[start : start + step])
    return kind.accuracy, kind.loss


def generators(repeats, seed=0):
    return [np.random.default_rng([seed, repeat]) for repeat in range(repeats)]


# --- one subset for all examples ------------------------------------------------------------------


def test_each_prefix_of_an_order_is_scored_as_the_mean_of_its_logits():
    logits, target = make()
    orders = random_orders(np.random.default_rng(1), 6, 5)
    accuracy, loss = curves(SharedSubsets(orders), logits, target)
    for repeat, order in enumerate(orders):
        for kept in range(1, 6):
            expected = accuracy_and_loss(logits[order[:kept]], target)
            assert accuracy[repeat, kept - 1] == expected[0]
            assert loss[repeat, kept - 1] == pytest.approx(expected[1], rel=1e-12)


def test_over_all_orders_the_mean_is_that_over_all_subsets():
    logits, target = make(members=4)
    orders = np.array(list(itertools.permutations(range(4))))
    accuracy, loss = curves(SharedSubsets(orders), logits, target)
    expected = over_all_subsets(logits, target)
    np.testing.assert_allclose(accuracy.mean(0), expected[0], rtol=1e-12)
    np.testing.assert_allclose(loss.mean(0), expected[1], rtol=1e-12)


def test_with_all_members_every_repeat_is_the_same():
    accuracy, loss = curves(SharedSubsets(random_orders(np.random.default_rng(0), 9, 5)), *make())
    assert np.ptp(accuracy[:, -1]) == 0
    assert np.ptp(loss[:, -1]) < 1e-14


def test_orders_of_one_member_score_single_members():
    logits, target = make()
    accuracy, loss = curves(SharedSubsets(np.arange(5)[:, None]), logits, target)
    expected = [accuracy_and_loss(logits[[j]], target) for j in range(5)]
    np.testing.assert_allclose(np.concatenate([accuracy, loss], 1), expected, rtol=1e-12)


@pytest.mark.parametrize("step", [1, 7, 40])
@pytest.mark.parametrize("cells", [3, 20, 2**14])
def test_curves_do_not_depend_on_the_block_size(monkeypatch, step, cells):
    logits, target = make()
    orders = random_orders(np.random.default_rng(1), 3, 5)
    whole = curves(SharedSubsets(orders), logits, target)
    expected = curves(OwnSubsets(generators(3), 5), logits, target)
    monkeypatch.setattr(margins.pieces, "__defaults__", (cells,))
    monkeypatch.setattr(removal, "OWN_CELLS", cells)
    np.testing.assert_allclose(curves(SharedSubsets(orders), logits, target, step), whole)
    np.testing.assert_allclose(curves(OwnSubsets(generators(3), 5), logits, target, step), expected)


def test_without_loss_the_accuracies_are_the_same():
    logits, target = make()
    orders = random_orders(np.random.default_rng(1), 3, 5)
    with_loss = SharedSubsets(orders)
    without = SharedSubsets(orders, loss=False)
    np.testing.assert_array_equal(
        curves(with_loss, logits, target)[0], curves(without, logits, target)[0]
    )


def test_a_diverged_member_affects_only_the_subsets_that_contain_it():
    logits, target = make()
    spoilt = logits.copy()
    spoilt[2] = np.nan
    orders = np.array([[0, 1, 2, 3, 4], [2, 0, 1, 3, 4]])
    with np.errstate(invalid="ignore"):
        accuracy, loss = curves(SharedSubsets(orders), spoilt, target)
    whole = curves(SharedSubsets(orders), logits, target)[0]
    np.testing.assert_array_equal(accuracy[0, :2], whole[0, :2])
    assert not accuracy[0, 2:].any()
    assert not accuracy[1].any()
    assert np.isnan(loss[1]).all()


# --- a subset for every example -------------------------------------------------------------------


@pytest.mark.slow
def test_both_kinds_of_subsets_agree_with_the_mean_over_all_subsets():
    logits, target = make(members=4, examples=200)
    expected = over_all_subsets(logits, target)
    orders = random_orders(np.random.default_rng(3), 2000, 4)
    for kind in (SharedSubsets(orders), OwnSubsets(generators(2000), 4)):
        for drawn, wanted in zip(curves(kind, logits, target), expected, strict=True):
            error = drawn.std(0, ddof=1) / np.sqrt(len(drawn))
            assert (np.abs(drawn.mean(0) - wanted) <= 4 * error + 1e-12).all()


def test_where_members_differ_a_subset_for_every_example_varies_less_between_repeats():
    logits, target = make(members=6, examples=500)
    logits += np.arange(6)[:, None, None] / 2 * np.eye(4)[target]
    orders = random_orders(np.random.default_rng(3), 60, 6)
    shared = curves(SharedSubsets(orders), logits, target)[1].std(0)
    separate = curves(OwnSubsets(generators(60), 6), logits, target)[1].std(0)
    assert (separate[:-1] < shared[:-1]).all()


def test_an_order_of_an_example_contains_every_member_once():
    places = removal._rows(np.random.default_rng(0), 6, 50)
    members, example = np.divmod(places, 50)
    np.testing.assert_array_equal(
        np.sort(members, 0), np.broadcast_to(np.arange(6)[:, None], (6, 50))
    )
    assert (example == np.arange(50)).all()
    assert len({tuple(order) for order in members.T}) > 40


def test_random_orders_are_permutations_in_which_all_positions_are_equally_likely():
    orders = random_orders(np.random.default_rng(0), 5000, 4)
    np.testing.assert_array_equal(np.sort(orders, 1)[:10], np.broadcast_to(np.arange(4), (10, 4)))
    share = (orders[..., None] == np.arange(4)).mean(0)
    np.testing.assert_allclose(share, 0.25, atol=4 * math.sqrt(0.25 * 0.75 / 5000))


# --- what diversity predicts ----------------------------------------------------------------------


def test_of_a_squared_error_the_prediction_is_exact():
    """The case of the closed form: mean over all subsets of (mean of the kept − y)²."""
    f, y = np.random.default_rng(0).standard_normal(7), 0.3
    ensemble = (f.mean() - y) ** 2
    predicted = predicted_loss(ensemble, ((f - y) ** 2).mean() - ensemble, 7)
    for size in range(1, 8):
        subsets = itertools.combinations(f, size)
        assert np.mean([(np.mean(s) - y) ** 2 for s in subsets]) == pytest.approx(
            predicted[size - 1], rel=1e-12
        )


def test_for_classes_the_prediction_is_right_to_second_order_in_the_spread():
    off = []
    for spread in (0.4, 0.1, 0.025):
        logits, target = make(members=5, spread=spread)
        diversity = (logsumexp(logits, -1).mean(0) - logsumexp(logits.mean(0), -1)).mean()
        ensemble = accuracy_and_loss(logits, target)[1]
        rise = over_all_subsets(logits, target)[1] - ensemble
        predicted = predicted_loss(ensemble, diversity, 5) - ensemble
        off.append(abs(rise[2] / predicted[2] - 1))
        assert rise[0] == pytest.approx(predicted[0], rel=1e-9)  # exact for one member
    assert off[1] < 0.5 * off[0]
    assert off[2] < 0.5 * off[1]
    assert off[2] < 0.01


def test_one_member_is_predicted_to_be_itself():
    np.testing.assert_array_equal(predicted_loss(0.7, 0.0, 1), [0.7])
