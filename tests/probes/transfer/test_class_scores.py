import numpy as np
import pytest

from jtdiag_probes.transfer.class_scores import leep, nce


def labels(count=200, classes=3, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, classes, count), random.integers(0, 5, count)


def entropy(p):
    p = p[p > 0]
    return -(p * np.log(p)).sum()


def test_leep_of_a_source_that_is_certain_is_nce():
    target, votes = labels()
    assert leep(np.eye(5)[votes], target) == pytest.approx(nce(votes, target), abs=1e-10)


def test_leep_of_a_constant_source_is_minus_the_entropy_of_the_labels():
    target, _ = labels()
    theta = np.tile([0.2, 0.5, 0.3], (len(target), 1))
    expected = -entropy(np.bincount(target) / len(target))
    assert leep(theta, target) == pytest.approx(expected, abs=1e-10)
    assert nce(np.zeros_like(target), target) == pytest.approx(expected, abs=1e-10)


def test_leep_is_that_of_a_loop_over_examples():
    target, _ = labels(40)
    theta = np.random.default_rng(1).dirichlet(np.ones(4), 40)
    total = 0.0
    for own, y in zip(theta, target, strict=True):
        given = [
            sum(t[z] for t, other in zip(theta, target, strict=True) if other == y)
            / sum(t[z] for t in theta)
            for z in range(4)
        ]
        total += np.log(sum(p * t for p, t in zip(given, own, strict=True)))
    assert leep(theta, target) == pytest.approx(total / 40, abs=1e-12)


def test_nce_is_the_joint_entropy_less_that_of_the_votes():
    target, votes = labels(300)
    joint = np.array([[((target == y) & (votes == z)).mean() for z in range(5)] for y in range(3)])
    expected = entropy(joint.sum(0)) - entropy(joint.ravel())
    assert nce(votes, target) == pytest.approx(expected, abs=1e-12)


def test_a_source_that_predicts_the_labels_has_no_entropy_left():
    target, _ = labels()
    assert nce((target + 1) % 3 + 7, target) == 0
    assert leep(np.eye(4)[target], target) == 0
