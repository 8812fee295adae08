"""Unbiased linear CKA against slow and obvious definitions, and its invariances."""

import itertools

import numpy as np
import pytest
from scipy.stats import ortho_group

from jtdiag_probes.similarity import cka

RANDOM = np.random.default_rng(0)


def kernel(n, d, mean=0.5):
    x = RANDOM.normal(mean, 1, (n, d))
    return x @ x.T


def closed_form(k, l):  # noqa: E741
    """Song et al. 2012, from kernels that are not centered."""
    n = len(k)
    k, l = (m - np.diag(np.diag(m)) for m in (k, l))  # noqa: E741
    one = np.ones(n)
    total = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def over_tuples(k, l):  # noqa: E741
    """The mean of an unbiased term over all ordered 4-tuples of different examples."""
    terms = [
        k[i, j] * (l[i, j] + l[q, r] - 2 * l[i, q])
        for i, j, q, r in itertools.permutations(range(len(k)), 4)
    ]
    return np.mean(terms)


def biased_cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    product = [np.linalg.norm(a.T @ b) ** 2 for a, b in ((x, y), (x, x), (y, y))]
    return product[0] / np.sqrt(product[1] * product[2])


def test_hsic_is_the_mean_over_ordered_4_tuples():
    k, l = kernel(9, 3), kernel(9, 2)  # noqa: E741
    assert cka.hsic(k, l) == pytest.approx(over_tuples(k, l), rel=1e-12)


def test_hsic_is_the_mean_over_all_subsets_of_5_of_9():
    k, l = kernel(9, 3), kernel(9, 2)  # noqa: E741
    subsets = [np.ix_(s, s) for s in map(list, itertools.combinations(range(9), 5))]
    mean = np.mean([cka.hsic(k[s], l[s]) for s in subsets])
    assert cka.hsic(k, l) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("n", [4, 5, 30])
def test_hsic_is_the_closed_form_and_leaves_its_arguments_alone(n):
    k, l = kernel(n, 6), kernel(n, 40)  # noqa: E741
    before = k.copy()
    assert cka.hsic(k, l) == pytest.approx(closed_form(k, l), rel=1e-10)
    assert np.array_equal(k, before)


def test_products_of_vectors_are_sums_of_hsic_over_batches():
    x, y = RANDOM.normal(1, 1, (41, 5)), RANDOM.normal(-2, 1, (41, 3))
    parts = cka.batches(41, 12)
    assert sorted(len(part) for part in parts) == [10, 10, 10, 11]
    expected = sum(closed_form(x[p] @ x[p].T, y[p] @ y[p].T) for p in parts)
    assert cka.vector(x, parts) @ cka.vector(y, parts) == pytest.approx(expected, rel=1e-10)


def test_in_batches_cka_is_a_ratio_of_sums():
    x = RANDOM.normal(size=(60, 4))
    y = np.tanh(x @ RANDOM.normal(size=(4, 7))) + 0.2 * RANDOM.normal(size=(60, 7))
    kernels = [(x[p] @ x[p].T, y[p] @ y[p].T) for p in cka.batches(60, 15)]
    xy, xx, yy = (
        sum(closed_form(pair[i], pair[j]) for pair in kernels) for i, j in ((0, 1), (0, 0), (1, 1))
    )
    assert cka.cka(x, y, 15) == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-10)
    mean_of_ratios = np.mean(
        [
            closed_form(k, l) / np.sqrt(closed_form(k, k) * closed_form(l, l))
            for k, l in kernels  # noqa: E741
        ]
    )
    assert abs(cka.cka(x, y, 15) - mean_of_ratios) > 1e-4


def test_batches_estimate_what_all_examples_do():
    x = RANDOM.normal(size=(1000, 20))
    y = np.maximum(x @ RANDOM.normal(size=(20, 30)), 0)
    assert cka.cka(x, y, cka.BATCH) == pytest.approx(cka.cka(x, y), abs=0.01)


def test_independent_features_are_not_similar_although_the_biased_cka_says_so():
    x, y = RANDOM.normal(size=(64, 2000)), RANDOM.normal(size=(64, 2000))
    assert abs(cka.cka(x, y)) < 0.05
    assert abs(cka.cka(x, y, 16)) < 0.05
    assert biased_cka(x, y) > 0.9


def test_independent_features_are_similar_by_0_on_average():
    values = [
        cka.cka(RANDOM.normal(size=(20, 50)), RANDOM.normal(size=(20, 50))) for _ in range(300)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


@pytest.mark.parametrize("largest", [None, 20])
def test_cka_is_invariant_to_rotations_shifts_and_a_factor(largest):
    x = RANDOM.normal(size=(60, 6))
    y = np.maximum(x @ RANDOM.normal(size=(6, 8)), 0)
    turned = 3.7 * y @ ortho_group.rvs(8, random_state=1) + RANDOM.normal(size=8)
    assert cka.cka(x, turned, largest) == pytest.approx(cka.cka(x, y, largest), rel=1e-12)
    assert cka.cka(y, turned, largest) == pytest.approx(1, rel=1e-12)
    scaled = y * np.geomspace(0.1, 10, 8)
    assert abs(cka.cka(x, scaled, largest) - cka.cka(x, y, largest)) > 0.05


@pytest.mark.parametrize("factor", [1e-200, 1, 1e200])
@pytest.mark.parametrize("d", [1, 3, 200])
def test_features_are_as_similar_to_themselves_as_can_be(d, factor):
    x = RANDOM.normal(size=(30, d))
    assert cka.cka(x, x * factor) == pytest.approx(1, rel=1e-12)
    assert cka.cka(x, x * factor) <= 1


def test_a_large_mean_does_not_matter():
    x = RANDOM.normal(size=(50, 4))
    y = x**2
    assert cka.cka(x + 1e4, y) == pytest.approx(cka.cka(x, y), rel=1e-8)


ONE_LIVE = np.zeros((30, 3))
ONE_LIVE[7] = 1
NOISE = 5 + 1e-6 * RANDOM.normal(size=(30, 3))


@pytest.mark.parametrize(
    "dead",
    [
        np.zeros((30, 3)),
        np.full((30, 3), 2.7),
        ONE_LIVE,
        NOISE,
        np.full((30, 3), np.nan),
        np.where(np.arange(90).reshape(30, 3) == 4, np.inf, 1.0),
        np.zeros((30, 0)),
    ],
    ids=["zero", "constant", "one example", "rounding", "nan", "inf", "no features"],
)
def test_features_that_do_not_vary_have_no_cka(dead):
    x = RANDOM.normal(size=(30, 3))
    with np.errstate(all="raise"):
        assert np.isnan(cka.cka(x, dead))
        assert np.isnan(cka.cka(dead, dead, 10))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_examples_have_no_cka(n):
    x = RANDOM.normal(size=(n, 3))
    assert np.isnan(cka.cka(x, x))


def test_batches_are_fixed_and_mix_sorted_classes():
    first, second = cka.batches(500), cka.batches(500)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert sorted(np.concatenate(first)) == list(range(500))
    assert [len(batch) for batch in first] == [125] * 4
    classes = np.repeat(np.arange(10), 50)
    assert all(len(np.unique(classes[batch])) == 10 for batch in first)
