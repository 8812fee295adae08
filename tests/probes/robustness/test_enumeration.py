import itertools
from math import factorial

import numpy as np
import pytest
from scipy.special import log_softmax

from jtdiag_probes.robustness.enumeration import (
    AllSubsets,
    lowest_by_size,
    mean_by_size,
    shapley_weights,
    sizes,
)

M, N, K = 5, 70, 4


def enumerated(logits, target, step=N):
    subsets = AllSubsets(len(logits), K)
    for start in range(0, N, step):
        subsets.add(logits[:, start : start + step], target[start : start + step])
    return subsets


def score(logits, target, members):
    """Whether each example is classified correctly, and its loss, by a subset of the members."""
    mean = logits[list(members)].mean(0)
    loss = -log_softmax(mean, -1)[np.arange(len(target)), target]
    return mean.argmax(-1) == target, loss


def subset_of(mask, members=M):
    return [j for j in range(members) if mask >> j & 1]


@pytest.mark.parametrize("step", [N, 9])
def test_every_subset_is_scored_as_the_mean_of_its_logits(five_members, step):
    logits, target = five_members
    subsets = enumerated(logits, target, step)
    assert subsets.accuracy[0] == 1 / K
    assert subsets.loss[0] == np.log(K)
    for mask in range(1, 2**M):
        correct, loss = score(logits, target, subset_of(mask))
        assert subsets.accuracy[mask] == correct.mean()
        assert subsets.loss[mask] == pytest.approx(loss.mean(), rel=1e-12)


def test_means_and_minima_by_size_are_those_over_all_combinations(five_members):
    logits, target = five_members
    accuracy = enumerated(logits, target).accuracy
    for size in range(1, M + 1):
        every = [score(logits, target, s)[0].mean() for s in itertools.combinations(range(M), size)]
        assert mean_by_size(accuracy)[size - 1] == pytest.approx(np.mean(every), rel=1e-12)
        assert lowest_by_size(accuracy)[size - 1] == min(every)


def test_shapley_values_are_means_over_all_orders(five_members):
    """The slow definition: what each member adds to those before it, over all M! orders."""
    logits, target = five_members
    value = enumerated(logits, target).accuracy
    added = np.zeros(M)
    for order in itertools.permutations(range(M)):
        mask = 0
        for member in order:
            added[member] += value[mask | 1 << member] - value[mask]
            mask |= 1 << member
    np.testing.assert_allclose(shapley_weights(M) @ value, added / factorial(M), rtol=1e-10)


def test_a_member_that_changes_nothing_is_worth_nothing_and_equal_members_are_worth_the_same():
    value = np.array([0.1 + 0.2 * (mask & 1) + 0.2 * (mask >> 1 & 1) for mask in range(8)])
    np.testing.assert_allclose(shapley_weights(3) @ value, [0.2, 0.2, 0], atol=1e-15)


def test_the_error_over_examples_is_that_of_values_by_example(five_members):
    logits, target = five_members
    by_example = np.zeros((2**M, N))
    by_example[0] = 1 / K
    for mask in range(1, 2**M):
        by_example[mask] = score(logits, target, subset_of(mask))[0]
    above = shapley_weights(M) @ by_example
    above -= above.mean(0)
    expected = above.std(1, ddof=1) / np.sqrt(N)
    np.testing.assert_allclose(enumerated(logits, target, 9).error_above_equal, expected)


def test_a_diverged_member_affects_only_the_subsets_that_contain_it(five_members):
    logits, target = five_members
    whole = enumerated(logits, target)
    logits[2] = np.nan
    with np.errstate(invalid="ignore"):
        spoilt = enumerated(logits, target)
    inside = (np.arange(2**M) >> 2 & 1).astype(bool)
    np.testing.assert_array_equal(spoilt.accuracy[~inside], whole.accuracy[~inside])
    assert not spoilt.accuracy[inside].any()
    assert np.isnan(spoilt.loss[inside]).all()


def test_sizes_are_numbers_of_bits():
    assert sizes(2).tolist() == [0, 1, 1, 2]
