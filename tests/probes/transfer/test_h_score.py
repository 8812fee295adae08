import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from jtdiag_probes.transfer.h_score import h_score


def example(count=60, dimensions=4, seed=0):
    random = np.random.default_rng(seed)
    target = np.arange(count) % 3
    means = random.normal(size=(3, dimensions))
    return means[target] + random.normal(size=(count, dimensions)), target


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_of_balanced_one_hot_features_it_is_the_number_of_classes_minus_1(classes):
    target = np.arange(10 * classes) % classes
    one_hot = np.eye(classes)[target]
    assert h_score(one_hot, target, 0.0) == pytest.approx(classes - 1, abs=1e-10)


@pytest.mark.parametrize("dimensions", [4, 90])
def test_without_shrinkage_affine_maps_do_not_change_it(dimensions):
    z, target = example(dimensions=dimensions)
    random = np.random.default_rng(1)
    mapped = z @ random.normal(size=(dimensions, dimensions)) + random.normal(size=dimensions)
    assert h_score(mapped, target, 0.0) == pytest.approx(h_score(z, target, 0.0), abs=1e-10)


@pytest.mark.parametrize("dimensions", [4, 90])
def test_it_is_the_trace_of_the_definition(dimensions):
    z, target = example(dimensions=dimensions)
    shrunk, s = ledoit_wolf(z)
    means = np.stack([z[target == k].mean(0) for k in range(3)])[target]
    between = np.cov(means.T, bias=True)
    expected = np.trace(np.linalg.solve(shrunk, (1 - s) * between))
    assert 0 < s < 1
    assert h_score(z, target) == pytest.approx(expected, abs=1e-10)


def test_more_features_than_examples_are_perfect_without_shrinkage_only():
    random = np.random.default_rng(0)
    target = np.arange(60) % 3
    noise = random.normal(size=(60, 200))
    assert h_score(noise, target, 0.0) == pytest.approx(2, abs=1e-10)
    assert h_score(noise, target) < 0.2


def test_constant_features_have_none():
    assert np.isnan(h_score(np.ones((6, 2)), np.arange(6) % 2))
