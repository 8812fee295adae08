import itertools

import pytest
import torch

from jtdiag.engine import seeds
from jtdiag.engine.seeds import Purpose


def stream(seed, purpose, *which):
    return tuple(torch.rand(4, generator=seeds.generator(seed, purpose, *which)).tolist())


def test_the_same_purpose_has_the_same_numbers_again():
    assert stream(7, Purpose.WEIGHTS, 2) == stream(7, Purpose.WEIGHTS, 2)


def test_every_seed_purpose_trial_and_epoch_has_numbers_of_its_own():
    keys = [
        *itertools.product([0, 1, 7], [Purpose.WEIGHTS, Purpose.SPLIT], [0, 1, 2]),
        *itertools.product([0, 1, 7], [Purpose.ORDER], [0, 1, 2], [1, 2, 3]),
    ]
    assert len({stream(*key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        # Written down when the first runs were made: with other numbers no run could be resumed
        # or made again.
        ((44826, Purpose.WEIGHTS, 0), 41_399_571_018_459_414),
        ((44826, Purpose.SPLIT, 4), 5_172_781_584_137_793_136),
        ((44826, Purpose.ORDER, 1, 3), 5_077_488_578_875_841_182),
        ((44826, Purpose.START, 4, 3), 19_763_442_847_520_091),
    ],
)
def test_the_numbers_behind_a_run_never_change(key, number):
    assert seeds.generator(*key).initial_seed() == number


def test_the_global_generator_is_not_touched():
    before = torch.get_rng_state()
    seeds.generator(1, Purpose.WEIGHTS, 0)
    seeds.held_out(53, 11, 1, 0)
    seeds.batch_order(53, 1, 0, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_seed_changes_nothing():
    found = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found.append(seeds.batch_order(53, 1, 0, 1))
    assert torch.equal(*found)


@pytest.mark.parametrize("val", [0, 1, 11, 52])
def test_each_example_is_in_one_split(val):
    train, held = seeds.held_out(53, val, seed=3, trial=1)
    assert len(held) == val
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(53))
    assert train.tolist() == sorted(train.tolist())
    assert held.tolist() == sorted(held.tolist())


def test_every_trial_and_seed_holds_out_other_examples():
    found = {tuple(seeds.held_out(53, 11, s, t)[1].tolist()) for s in range(3) for t in range(3)}
    assert len(found) == 9


def test_every_example_is_held_out_sometimes():
    counts = torch.zeros(20)
    for trial in range(200):
        counts[seeds.held_out(20, 5, 0, trial)[1]] += 1
    # 200 draws at 1/4: 50 ± 6; six standard deviations, and the draws are always the same.
    assert ((counts > 13) & (counts < 87)).all()


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own():
    orders = [seeds.batch_order(53, s, t, e) for s in (0, 1) for t in (0, 1) for e in (1, 2, 3)]
    assert all(sorted(order.tolist()) == list(range(53)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == len(orders)
