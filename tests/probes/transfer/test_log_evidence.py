import numpy as np
import pytest
from scipy.stats import multivariate_normal

from jtdiag_probes.transfer.log_evidence import evidence, log_evidence


def example(count, dimensions, seed=0, signal=0.5):
    random = np.random.default_rng(seed)
    target = np.arange(count) % 3
    z = random.normal(size=(count, dimensions))
    z[:, 0] += signal * target
    return z + 0.3, target


def log_density(z, y, alpha, beta):
    covariance = np.eye(len(y)) / beta + z @ z.T / alpha
    return multivariate_normal(np.zeros(len(y)), covariance).logpdf(y) / len(y)


SIZES = [(50, 5), (20, 35), (30, 30)]


@pytest.mark.parametrize(("count", "dimensions"), SIZES)
def test_it_is_the_log_density_of_a_gaussian(count, dimensions):
    z, target = example(count, dimensions)
    values = []
    for k in range(3):
        y = (target == k).astype(float)
        found = evidence(z, y)
        expected = log_density(z, y, found.alpha, found.beta)
        assert found.per_example == pytest.approx(expected, abs=1e-10)
        values.append(found.per_example)
    assert log_evidence(z, target) == pytest.approx(np.mean(values), abs=1e-12)


def of_the_paper(z, y):
    """The formula of the paper at the fixed point of its iteration."""
    count, dimensions = z.shape
    eigenvalues, vectors = np.linalg.eigh(z.T @ z)
    alpha = beta = 1.0
    for _ in range(20000):
        mean = beta * vectors @ ((vectors.T @ (z.T @ y)) / (alpha + beta * eigenvalues))
        gamma = (beta * eigenvalues / (alpha + beta * eigenvalues)).sum()
        squares = ((y - z @ mean) ** 2).sum()
        alpha, beta = gamma / (mean @ mean), (count - gamma) / squares
    mean = beta * vectors @ ((vectors.T @ (z.T @ y)) / (alpha + beta * eigenvalues))
    squares = ((y - z @ mean) ** 2).sum()
    value = count * np.log(beta) + dimensions * np.log(alpha) - count * np.log(2 * np.pi)
    value -= beta * squares + alpha * mean @ mean + np.log(alpha + beta * eigenvalues).sum()
    return value / 2 / count, alpha, beta


@pytest.mark.parametrize(("count", "dimensions"), [(50, 5), (40, 60)])
def test_alpha_and_beta_are_those_of_the_papers_iteration(count, dimensions):
    z, target = example(count, dimensions, signal=1.0)
    y = (target == 0).astype(float)
    value, alpha, beta = of_the_paper(z, y)
    found = evidence(z, y)
    assert found.per_example == pytest.approx(value, abs=1e-10)
    assert found.alpha == pytest.approx(alpha, rel=1e-4)
    assert found.beta == pytest.approx(beta, rel=1e-4)


def test_with_more_features_than_examples_the_public_formula_is_off_by_its_missing_term():
    z, target = example(20, 35)
    y = (target == 0).astype(float)
    found = evidence(z, y)
    eigenvalues = np.linalg.eigvalsh(z.T @ z)[-20:]
    mean = np.linalg.solve(found.alpha * np.eye(35) + found.beta * z.T @ z, found.beta * z.T @ y)
    public = 20 * np.log(found.beta) + 35 * np.log(found.alpha) - 20 * np.log(2 * np.pi)
    public -= found.beta * ((y - z @ mean) ** 2).sum() + found.alpha * mean @ mean
    public -= np.log(found.alpha + found.beta * eigenvalues).sum()
    missing = (35 - 20) / 2 * np.log(found.alpha) / 20
    assert abs(missing) > 0.01
    assert public / 2 / 20 - missing == pytest.approx(found.per_example, abs=1e-10)


def test_no_other_alpha_and_beta_have_a_larger_density():
    z, target = example(30, 8, signal=2.0)
    y = (target == 2).astype(float)
    found = evidence(z, y)
    for alpha, beta in ((1.1, 1), (0.9, 1), (1, 1.1), (1, 0.9), (100, 1), (0.01, 2)):
        assert log_density(z, y, alpha * found.alpha, beta * found.beta) < found.per_example


def test_a_common_factor_of_the_features_does_not_change_it():
    z, target = example(50, 5)
    assert log_evidence(1e-6 * z, target) == pytest.approx(log_evidence(z, target), abs=1e-10)


def test_what_has_no_evidence():
    assert np.isnan(log_evidence(np.zeros((6, 2)), np.arange(6) % 2))
    assert np.isnan(log_evidence(np.ones((6, 2)), np.zeros(6, int)))
