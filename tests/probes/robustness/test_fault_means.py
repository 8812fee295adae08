import itertools

import numpy as np

from jtdiag_probes.robustness import subset_means
from jtdiag_probes.robustness.fault_means import faults_of, with_last
from jtdiag_probes.robustness.faults import FACTORS, FAULTS
from jtdiag_probes.robustness.removal import random_orders

M, N = 5, 70


def noise():
    return np.random.default_rng(5)


def measured(five_members, repeats=1):
    logits, target = five_members
    orders = random_orders(np.random.default_rng(1), repeats, M)
    faults = faults_of(M, orders, logits[:, 0], noise)
    for start in range(0, N, 30):
        faults.add(logits[:, start : start + 30], target[start : start + 30])
    return faults


def test_every_choice_of_faulty_members_is_evaluated(five_members):
    logits, target = five_members
    mean = dict(zip(FAULTS, measured(five_members).mean, strict=True))
    for fault, factor in FACTORS.items():
        for count in range(M + 1):
            every = []
            for faulty in itertools.combinations(range(M), count):
                wrong = logits.copy()
                wrong[list(faulty)] *= factor
                every.append((wrong.sum(0).argmax(-1) == target).mean())
            assert abs(mean[fault][count] - np.mean(every)) < 1e-12


def test_random_choices_agree_with_all_within_their_errors(five_members, monkeypatch):
    exact = measured(five_members)
    assert not exact.error.any()
    monkeypatch.setattr(subset_means, "LARGEST", 2)
    drawn = measured(five_members, repeats=100)
    assert (np.abs(drawn.mean - exact.mean) <= 4 * drawn.error + 1e-9).all()


def test_each_subset_comes_last_in_one_order():
    orders = with_last(4, 2)
    assert {frozenset(order[2:]) for order in orders.tolist()} == {
        frozenset(s) for s in itertools.combinations(range(4), 2)
    }
    assert (np.sort(orders, 1) == np.arange(4)).all()
    assert with_last(3, 0).tolist() == [[0, 1, 2]]
