import random

import numpy as np
import pytest
import torch

from jtdiag.monitor.batch_sums import Batch
from jtdiag.monitor.epoch_sample import EpochSample, Summed


def taken(sample: EpochSample, batches: int, examples: int = 10) -> Summed:
    """An epoch in which batch i has the sum i, and 1 as a second number."""
    for i in range(batches):
        if sample.due():
            sample.add(Batch(torch.tensor([[float(i)], [1.0]]), None, examples))
    return sample.close(sample.rows().clone().numpy())


def new(every: int | None = None, wanted: int = 4, seed: int = 0, hold: int = 10) -> EpochSample:
    def sums(batches: list[Batch]) -> list[torch.Tensor]:
        return [batch.values.sum(1) for batch in batches]

    return EpochSample(wanted, every, sums, random.Random(seed), hold)


@pytest.mark.parametrize("every", [None, 1, 3])
@pytest.mark.parametrize("batches", [7, 8, 100, 999])
def test_what_is_held_and_for_how_long_changes_nothing(every, batches):
    found = [taken(new(every, hold=hold), batches) for hold in (0, 5, 10**6)]
    for one in found[1:]:
        np.testing.assert_array_equal(one.sums, found[0].sums)
        np.testing.assert_array_equal(one.examples, found[0].examples)
        assert (one.counted, one.seen) == (found[0].counted, found[0].seen)


def test_no_more_is_held_than_may_be():
    sample, most = new(1, wanted=50, hold=12), 0
    for i in range(60):
        sample.due()
        sample.add(Batch(torch.tensor([[float(i)], [1.0]]), None, 1))
        most = max(most, sum(batch.values.numel() for _, batch in sample._pending))
    assert most == 12


@pytest.mark.parametrize("batches", [1, 3, 8, 9, 100, 1000, 1023])
@pytest.mark.parametrize("seed", range(5))
def test_an_epoch_of_unknown_length_is_sampled_evenly_to_its_end(batches, seed):
    found = taken(new(seed=seed), batches)
    assert found.seen == batches
    assert min(batches, 4) <= found.counted <= 8
    if batches < 8:
        assert found.counted == batches
    at = found.sums[:, 0]
    steps = np.diff(at)
    assert len(set(steps)) <= 1
    stride = steps[0] if len(steps) else 1
    assert at[0] < stride
    assert at[-1] + stride >= batches


def test_the_next_epoch_takes_the_rows_wanted_at_once():
    sample = new()
    taken(sample, 100)
    found = taken(sample, 100)
    assert found.counted == 4
    assert set(np.diff(found.sums[:, 0])) == {25}


def test_an_epoch_longer_than_the_last_thins_itself_out():
    sample = new()
    taken(sample, 10)
    assert 4 <= taken(sample, 500).counted <= 8


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2])
def test_every_batch_has_the_same_chance_whether_the_length_is_known_or_not(epoch):
    batches, repeats = 96, 2000
    often = np.zeros(batches)
    for seed in range(repeats):
        sample = new(seed=seed)
        for _ in range(epoch):
            found = taken(sample, batches)
        often[found.sums[:, 0].astype(int)] += 1
    share = often / repeats  # strides are 16 and 24 by then
    stride = {1: 16, 2: 24}[epoch]
    spread = np.sqrt(1 / stride * (1 - 1 / stride) / repeats)
    assert np.abs(share - 1 / stride).max() < 5 * spread


@pytest.mark.parametrize("every", [1, 3])
def test_with_a_given_stride_nothing_that_is_counted_is_forgotten(every):
    found = taken(new(every=every), 1000)
    phase = next(p for p in range(every) if len(range(p, 1000, every)) == found.counted)
    counted = [range(p, 1000, every) for p in range(every)]
    assert found.sums[:, 0].sum() in [sum(one) for one in counted]
    assert found.examples.sum() == 10 * found.counted == 10 * len(counted[phase])
    assert len(found.sums) <= 8


def test_an_epoch_begins_with_nothing_of_the_one_before():
    sample = new(every=1)
    taken(sample, 50)
    assert taken(sample, 3).sums[:, 0].tolist() == [0, 1, 2]


def test_the_mean_is_over_examples_and_not_over_batches():
    found = Summed(sums=np.array([[10.0], [1.0]]), examples=np.array([10, 2]), counted=2, seen=2)
    assert found.means() == pytest.approx(11 / 12)
    assert found.standard_errors() == 0


@pytest.mark.slow
def test_standard_errors_are_those_of_repeated_random_samples():
    random_ = np.random.default_rng(0)
    size, kept, repeats = 60, 12, 4000
    examples = np.full(size, 10)
    examples[-1] = 4
    sums = random_.normal(3, 1, size) * examples
    means, errors = [], []
    for _ in range(repeats):
        at = random_.choice(size, kept, replace=False)
        found = Summed(sums=sums[at][:, None], examples=examples[at], counted=kept, seen=size)
        means.append(found.means()[0])
        errors.append(found.standard_errors()[0] ** 2)
    truth = sums.sum() / examples.sum()
    assert np.mean(means) == pytest.approx(truth, abs=5 * np.std(means) / np.sqrt(repeats))
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(means), rel=0.05)


def test_of_one_row_that_stands_for_more_nobody_knows_the_error():
    one = Summed(sums=np.ones((1, 2)), examples=np.array([3]), counted=1, seen=9)
    assert np.isnan(one.standard_errors()).all()
