import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

from jtdiag_probes.linalg.lanczos import batch_of_one, lanczos, ritz

FLOATS = [torch.float32, torch.float64]


def symmetric(eigenvalues, dtype=torch.float64, seed=0):
    """A dense matrix with given eigenvalues and random directions."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.as_tensor(eigenvalues, dtype=torch.float64)
    basis = torch.linalg.qr(
        torch.randn(len(values), len(values), generator=generator, dtype=torch.float64)
    )[0]
    return ((basis * values) @ basis.T).to(dtype)


def start(size, dtype=torch.float64, runs=1, seed=1):
    return torch.randn(runs, size, generator=torch.Generator().manual_seed(seed)).to(dtype)


def run(matrix, steps):
    return lanczos(batch_of_one(lambda v: matrix @ v), start(len(matrix), matrix.dtype), steps)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [3, 20, 100, 500])
def test_a_matrix_of_two_eigenvalues_has_two_ritz_values(size, dtype):
    matrix = symmetric([5.0 if i % 3 else 1.0 for i in range(size)], dtype)
    spectrum = ritz(run(matrix, 20))
    np.testing.assert_allclose(spectrum.values, [1, 5], rtol=1e-5)
    assert (spectrum.residuals < 1e-3).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_when_it_stops_depends_on_the_scale_of_nothing(scale, dtype):
    matrix = scale * symmetric([5.0, 5, 5, 1, 1, 1, 1, 1], dtype)
    assert run(matrix, 8).steps == (2,)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_basis_stays_orthonormal(dtype):
    matrix = symmetric(torch.logspace(-8, 3, 300), dtype)
    krylov = run(matrix, 80)
    [basis] = krylov.basis[:, : krylov.steps[0]]
    off = (basis @ basis.T - torch.eye(len(basis), dtype=dtype)).abs().max()
    assert off < 20 * torch.finfo(dtype).eps


def test_all_steps_give_all_eigenvalues():
    values = torch.linspace(-3, 7, 40)
    spectrum = ritz(run(symmetric(values), 100))
    np.testing.assert_allclose(spectrum.values, values.double(), atol=1e-12)


def test_the_ends_are_those_of_scipy():
    matrix = symmetric(torch.linspace(0, 1, 400) ** 6 * 9 - 0.5)
    spectrum = ritz(run(matrix, 90))
    operator = LinearOperator(matrix.shape, matvec=lambda v: matrix.numpy() @ v, dtype=float)
    np.testing.assert_allclose(
        spectrum.values[-5:], np.sort(eigsh(operator, 5, which="LA")[0]), rtol=1e-9
    )


@pytest.mark.parametrize("steps", [5, 15, 40])
def test_an_eigenvalue_is_within_the_residual(steps):
    matrix = symmetric(torch.linspace(0, 1, 60) ** 3)
    eigenvalues = torch.linalg.eigvalsh(matrix)
    krylov = run(matrix, steps)
    spectrum = ritz(krylov)
    for i, (value, residual) in enumerate(zip(spectrum.values, spectrum.residuals, strict=True)):
        assert (eigenvalues - value).abs().min() <= residual * (1 + 1e-9)
        vector = krylov.basis[0].T @ spectrum.vectors[:, i]
        true = (matrix @ vector - value * vector).norm()
        assert float(residual) == pytest.approx(float(true), rel=1e-6, abs=1e-12)


def test_weights_are_shares_of_the_start_vector():
    spectrum = ritz(run(symmetric(torch.arange(1.0, 9)), 8))
    assert float(spectrum.weights.sum()) == pytest.approx(1, abs=1e-12)
    vector = start(8)[0]
    moment = float(vector @ symmetric(torch.arange(1.0, 9)) @ vector / (vector @ vector))
    assert float(spectrum.weights @ spectrum.values) == pytest.approx(moment, rel=1e-12)


def test_negative_eigenvalues_are_counted_and_rounding_is_not():
    values = torch.cat([torch.tensor([-2.0, -1]), torch.zeros(30), torch.linspace(1, 2, 8)])
    assert ritz(run(symmetric(values), 40)).negative == 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_batched_runs_equal_separate_runs(dtype):
    spectra = [[5.0, 1] * 20, [0.0] * 39 + [3.0], list(range(40))]
    matrices = torch.stack([symmetric(s, dtype, seed=i) for i, s in enumerate(spectra)])
    starts = start(40, dtype, runs=3)
    together = lanczos(lambda v: torch.bmm(matrices, v.unsqueeze(2)).squeeze(2), starts, 12)
    for i, matrix in enumerate(matrices):
        single = lanczos(batch_of_one(lambda v, m=matrix: m @ v), starts[i : i + 1], 12)
        assert together.steps[i] == single.steps[0]
        np.testing.assert_allclose(
            ritz(together, i).values, ritz(single).values, atol=40 * torch.finfo(dtype).eps * 40
        )
    assert together.steps[0] == 2


def test_a_matrix_of_zeros_has_one_ritz_value():
    krylov = run(torch.zeros(5, 5), 4)
    assert krylov.steps == (1,)
    assert ritz(krylov).values.tolist() == [0]
