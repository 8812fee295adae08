import numpy as np
import pytest

from jtdiag_probes.layers import information


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_nhsic_of_balanced_labels_with_themselves_has_a_closed_form(classes):
    """tr(R R) = (C − 1) / (1 + ε C)², since K_c has C − 1 eigenvalues n / C."""
    own = information.of_classes(np.arange(20 * classes) % classes)
    expected = (classes - 1) / (1 + information.EPSILON * classes) ** 2
    assert float((own * own).sum()) == pytest.approx(expected, rel=1e-10)
    assert information.nhsic(own, own) == pytest.approx(1)


def test_nhsic_by_the_formula_with_explicit_matrices():
    z, target = normal(0, 30, 4), np.arange(30) % 3
    center = np.eye(30) - 1 / 30
    squares = ((z[:, None] - z) ** 2).sum(2)
    median = np.median(squares[np.triu_indices(30, 1)])
    matrices = []
    for kernel in (np.exp(-squares / median), (target[:, None] == target).astype(float)):
        centered = center @ kernel @ center
        matrices.append(centered @ np.linalg.inv(centered + 0.01 * 30 * np.eye(30)))
    expected = np.trace(matrices[0] @ matrices[1]) / np.trace(matrices[1] @ matrices[1])
    ours = information.nhsic(information.of_features(z), information.of_classes(target))
    assert ours == pytest.approx(expected, rel=1e-10)


def test_features_that_are_the_labels_keep_more_than_noise_does():
    target = np.arange(200) % 5
    labels = information.of_classes(target)
    one_hot = np.eye(5)[target] + 0.01 * normal(1, 200, 5)
    noise = information.of_features(normal(2, 200, 50))
    known = information.nhsic(information.of_features(one_hot), labels)
    assert known > 0.9
    null = information.permuted(noise, information.permutations(labels))
    assert information.nhsic(noise, labels) == pytest.approx(null, abs=0.05)
    assert (
        information.permuted(information.of_features(one_hot), information.permutations(labels))
        < 0.1
    )


def test_a_small_regularizer_makes_noise_look_informed():
    """Why ε is not 1e-5: pure noise would score nearly 1."""
    target = np.arange(200) % 5
    kernels = (normal(2, 200, 50), target)
    squares = ((kernels[0][:, None] - kernels[0]) ** 2).sum(2)
    kernel = np.exp(-squares / np.median(squares[np.triu_indices(200, 1)]))
    same = (target[:, None] == target).astype(float)
    a, b = (information.regularized(matrix, 1e-5) for matrix in (kernel, same))
    assert information.nhsic(a, b) > 0.9


def test_nhsic_does_not_depend_on_scale_shift_or_rotation():
    z, target = normal(3, 60, 6), np.arange(60) % 3
    labels = information.of_classes(target)
    rotation = np.linalg.qr(normal(4, 6, 6))[0]
    moved = 7 * z @ rotation + 3
    assert information.nhsic(information.of_features(moved), labels) == pytest.approx(
        information.nhsic(information.of_features(z), labels), rel=1e-9
    )


def test_constant_features_keep_nothing():
    labels = information.of_classes(np.arange(30) % 3)
    assert information.nhsic(information.of_features(np.ones((30, 2))), labels) == 0
    assert np.isnan(information.nhsic(labels, information.of_classes(np.zeros(30, int))))


def test_variation_within_over_between_classes():
    target = np.array([0, 0, 1, 1])
    z = np.array([[-1.0, 0], [1, 0], [9, 0], [11, 0]])
    # Within: four deviations of 1; between: four means at a distance of 5 from the center.
    assert information.within_over_between(z, target) == pytest.approx(4 / 100)
    assert np.isnan(information.within_over_between(np.ones((4, 2)), target))


def test_total_variation_is_within_plus_between():
    z, target = normal(5, 40, 3), np.arange(40) % 4
    total = ((z - z.mean(0)) ** 2).sum()
    within = sum(((z[target == c] - z[target == c].mean(0)) ** 2).sum() for c in range(4))
    assert information.within_over_between(z, target) == pytest.approx(within / (total - within))


@pytest.mark.parametrize("examples", [8, 500])
def test_effective_rank_is_the_participation_ratio(examples):
    z = normal(6, examples, 20) * np.linspace(0.1, 2, 20)
    eigenvalues = np.linalg.eigvalsh(np.cov(z.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert information.effective_rank(z) == pytest.approx(expected, rel=1e-10)
    assert information.effective_rank(z[:, :1]) == pytest.approx(1)
    assert np.isnan(information.effective_rank(np.ones((5, 3))))


def test_dead_units_and_rows():
    z = np.array([[0.0, 1, 2], [0, 0, 2], [0, 0, 2], [0, 3, 2]])
    assert information.dead_units(z) == pytest.approx(2 / 3)
    assert information.dead_rows(z) == 0
    assert information.dead_rows(z[:, :2]) == 0.5


def test_the_value_without_information_is_the_mean_over_permuted_labels():
    features, target = np.random.default_rng(1).normal(size=(12, 3)), np.arange(12) % 3
    a, b = information.of_features(features), information.of_classes(target)
    random = np.random.default_rng(0)
    orders = [random.permutation(12) for _ in range(information.PERMUTATIONS)]
    expected = np.mean([information.nhsic(a, information.of_classes(target[o])) for o in orders])
    measured = information.permuted(a, information.permutations(b))
    assert measured == pytest.approx(expected, rel=1e-12)
