import numpy as np
import pytest
import torch

from jtdiag_probes.linalg import density
from jtdiag_probes.linalg.density import axis, decades, integral, mean_and_error, quadratures
from jtdiag_probes.linalg.lanczos import batch_of_one, inverse_bounds, lanczos, ritz
from jtdiag_probes.linalg.trace import hutch_plus_plus


def symmetric(values, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = len(values)
    basis = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]
    return (basis * torch.as_tensor(values, dtype=torch.float64)) @ basis.T


def quadratures_of(matrix, steps, vectors):
    like = torch.zeros((), dtype=torch.float64)
    return quadratures(batch_of_one(lambda v: matrix @ v), len(matrix), steps, vectors, like)


def test_a_quadrature_of_k_steps_is_exact_for_polynomials_of_degree_2k_less_1():
    matrix = symmetric(np.linspace(-1, 2, 30))
    [quadrature] = quadratures_of(matrix, 5, 1)
    vector = density.random_vectors(1, 30, matrix, seed=0)[0]
    vector = vector / vector.norm()
    for power in range(10):
        moment = float(vector @ torch.linalg.matrix_power(matrix, power) @ vector)
        assert integral([quadrature], lambda x, p=power: x**p)[0] == pytest.approx(
            moment, rel=1e-11
        )


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_two_quadratures_bound_a_resolvent_from_both_sides(steps):
    matrix = symmetric(np.geomspace(1e-4, 1, 40))
    vector = density.random_vectors(1, 40, matrix, seed=0)
    unit = vector[0] / vector.norm()
    exact = float(unit @ torch.linalg.solve(matrix + 1e-3 * torch.eye(40), unit))
    krylov = lanczos(batch_of_one(lambda v: matrix @ v), vector, steps)
    [[low, high]] = inverse_bounds(krylov, 1e-3).tolist()
    assert low < exact < high
    gauss = ritz(krylov)
    assert low == pytest.approx(float((gauss.weights / (gauss.values + 1e-3)).sum()), rel=1e-12)


def test_the_bounds_meet_where_the_vectors_span_what_a_run_sees():
    """Also of a run that ends before the others do."""
    matrix = symmetric(np.geomspace(1e-2, 1, 12))
    values, directions = torch.linalg.eigh(matrix)
    starts = torch.stack([directions[:, [1, 7]].sum(1), directions.sum(1)])
    krylov = lanczos(lambda v: v @ matrix, starts, 12)
    assert krylov.steps == (2, 12)
    exact = [((1 / (values[[1, 7]] + 0.1)).mean()), (1 / (values + 0.1)).mean()]
    for side in inverse_bounds(krylov, 0.1).T:
        np.testing.assert_allclose(side, exact, rtol=1e-10)


def test_the_density_of_a_known_spectrum_is_within_its_error():
    values = np.concatenate([np.full(150, 1e-2), np.full(40, 1.0), np.full(10, -0.1)])
    points, width = axis(401), 0.15
    estimate, error = density.density(quadratures_of(symmetric(values), 10, 12), points, width)
    place = decades(points)
    expected = sum(
        share * np.exp(-(((place - decades(np.array(value))) / width) ** 2) / 2) / width
        for share, value in ((0.75, 1e-2), (0.2, 1.0), (0.05, -0.1))
    ) / np.sqrt(2 * np.pi)
    peaks = [np.argmin(abs(points - value)) for value in (1e-2, 1.0, -0.1)]
    assert (abs(estimate - expected)[peaks] < 4 * error[peaks]).all()
    assert np.trapezoid(estimate, place) == pytest.approx(1, abs=1e-6)


def test_the_axis_is_even_in_decades_and_odd_about_zero():
    points = axis(5)
    np.testing.assert_allclose(points[[0, 2, 4]], [-1e4, 0, 1e4], atol=1e-7)
    np.testing.assert_allclose(np.diff(decades(points)), 3.5, atol=1e-6)
    np.testing.assert_allclose(np.diff(decades(np.array([10.0, 100, 1000]))), 1, atol=1e-6)


def test_errors_are_over_start_vectors():
    mean, error = mean_and_error(np.array([[1.0, 2], [3, 2], [5, 2]]))
    np.testing.assert_allclose([mean, error], [[3, 2], [2 / np.sqrt(3), 0]])
    assert np.isnan(mean_and_error(np.ones((1, 2)))[1]).all()


def test_hutch_plus_plus_is_exact_for_a_matrix_of_low_rank():
    values = [0.0] * 190 + list(range(1, 11))
    matrix = symmetric(values)
    trace, error = hutch_plus_plus(lambda v: matrix @ v, matrix[0], 60)
    assert trace == pytest.approx(55, rel=1e-10)
    assert error < 1e-10


def test_hutch_plus_plus_is_right_within_its_error():
    values = 1 / np.arange(1, 301)
    matrix = symmetric(values)
    off = []
    for seed in range(30):
        trace, error = hutch_plus_plus(lambda v: matrix @ v, matrix[0], 45, seed)
        off.append((trace - values.sum()) / error)
    assert abs(np.mean(off)) < 3 / np.sqrt(30) * 1.3
    assert 0.7 < np.std(off) < 1.6


def test_hutch_plus_plus_beats_plain_signs():
    values = 1 / np.arange(1, 301) ** 2
    matrix = symmetric(values)
    _, error = hutch_plus_plus(lambda v: matrix @ v, matrix[0], 45)
    plain = float(2 * ((matrix**2).sum() - (matrix.diag() ** 2).sum()) / 45) ** 0.5
    assert error < plain / 5


def test_a_small_matrix_is_summed_exactly():
    matrix = symmetric([1.0, 2, 3])
    trace, error = hutch_plus_plus(lambda v: matrix @ v, matrix[0], 30)
    assert (pytest.approx(6, rel=1e-12), 0.0) == (trace, error)


def test_too_few_products_raise_an_error():
    with pytest.raises(ValueError, match="products is 5"):
        hutch_plus_plus(lambda v: v, torch.ones(3), 5)
