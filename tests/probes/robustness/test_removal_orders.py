import itertools

import numpy as np
import pytest

from jtdiag_probes.robustness import removal_orders
from jtdiag_probes.robustness.margins import margins
from jtdiag_probes.robustness.removal import SharedSubsets, random_orders
from jtdiag_probes.robustness.removal_orders import (
    examples_to_search,
    greedy_removal,
    greedy_selection,
    least_first,
    spread_out,
)


def make(members=6, examples=300, seed=0):
    random = np.random.default_rng(seed)
    target = random.integers(0, 4, examples)
    skill = np.linspace(0.2, 1.5, members)[:, None, None]
    noise = random.standard_normal((members, examples, 4))
    return skill * np.eye(4)[target] + noise, target


def accuracy(logits, target, members):
    return (logits[list(members)].sum(0).argmax(-1) == target).mean()


def test_lowest_score_comes_first_then_the_tie_and_nan_last():
    order = least_first(np.array([0.3, 0.1, np.nan, 0.1]), np.array([0.0, 2.0, 0.0, 1.0]))
    assert order.tolist() == [3, 1, 0, 2]


def test_each_step_of_the_search_drops_the_member_that_is_missed_most():
    logits, target = make()
    order = greedy_removal(margins(logits, target)).tolist()
    left = set(range(6))
    for chosen in order[:-1]:
        after = {j: accuracy(logits, target, left - {j}) for j in left}
        assert after[chosen] == min(after.values())
        left.remove(chosen)


def test_each_step_of_the_selection_adds_the_member_that_helps_most():
    logits, target = make()
    order = greedy_selection(margins(logits, target)).tolist()
    chosen: list[int] = []
    for member in order:
        after = {j: accuracy(logits, target, [*chosen, j]) for j in set(range(6)) - set(chosen)}
        assert after[member] == max(after.values())
        chosen.append(member)


@pytest.mark.parametrize("seed", range(5))
def test_the_search_is_close_to_the_worst_of_all_subsets(seed):
    logits, target = make(seed=seed)
    order = greedy_removal(margins(logits, target)).tolist()
    for dropped in range(1, 6):
        subsets = itertools.combinations(range(6), 6 - dropped)
        every = [accuracy(logits, target, subset) for subset in subsets]
        remaining = accuracy(logits, target, order[dropped:])
        assert min(every) <= remaining <= np.mean(every)
        assert remaining <= min(every) + 0.02


def test_selection_and_removal_beat_random_orders_on_both_sides():
    logits, target = make()
    orders = random_orders(np.random.default_rng(0), 50, 6)
    named = [
        greedy_removal(margins(logits, target))[::-1],
        greedy_selection(margins(logits, target)),
    ]
    curves = SharedSubsets(np.concatenate([orders, named]), loss=False)
    curves.add(logits, target)
    mean = curves.accuracy[:50].mean(0)
    assert (curves.accuracy[50, :-1] < mean[:-1]).all()
    assert (curves.accuracy[51, :-1] > mean[:-1]).all()


def test_among_members_that_are_missed_alike_the_best_goes_first():
    logits = np.zeros((3, 2, 2))
    logits[:, :, 0] = np.array([9.0, 12.0, 8.0])[:, None]
    assert greedy_removal(margins(logits, np.array([0, 0]))).tolist() == [1, 0, 2]


def test_a_search_takes_as_many_examples_as_time_and_memory_allow(monkeypatch):
    assert examples_to_search(256, 9, 10_000, 4) == 10_000
    assert examples_to_search(16, 9, 10_000, 4) == 10_000
    assert examples_to_search(2000, 9, 10_000, 4) == 166
    monkeypatch.setattr(removal_orders, "SEARCH_BYTES", 4000)
    assert examples_to_search(10, 10, 10_000, 4) == 10
    assert examples_to_search(10_000, 10, 10_000, 4) == 1


def test_examples_are_evenly_spaced_over_the_split():
    assert spread_out(10, 4).tolist() == [0, 2, 5, 7]
    assert spread_out(5, 5).tolist() == [0, 1, 2, 3, 4]
