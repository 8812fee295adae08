"""The reference is the dense Hessian of the same function, by torch.autograd.functional."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch.autograd.functional import hessian, jacobian

from jtdiag import joint_loss
from jtdiag_probes.conditioning.weight_conditioning import members_ends
from jtdiag_probes.linalg.curvature_products import (
    Tangents,
    agreement,
    between,
    disagreement,
    output_hessian,
    own_hessian,
)
from jtdiag_probes.linalg.lanczos import batch_of_one, lanczos, ritz

M, N, K, D, H = 3, 6, 4, 2, 3
LAMS = [0.0, 0.6, 1.0]
SIZES = [D * H, H, H * K, K]


def gaussian(eta):
    return lambda v: v


def weights(seed=0, members=M):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (D, H), "b": (H,), "c": (H, K), "d": (K,)}
    return {
        name: torch.randn(members, *shape, generator=generator, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def examples(seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, D, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, K, (N,), generator=generator)


def outputs(w):
    x, _ = examples()
    hidden = torch.tanh(x @ w["a"] + w["b"].unsqueeze(1))
    return hidden @ w["c"] + w["d"].unsqueeze(1)


def flat(w):
    return torch.cat([t.reshape(len(t), -1) for t in w.values()], 1).reshape(-1)


def named(v):
    pieces = torch.split(v.view(M, -1), SIZES, 1)
    return {n: p.reshape(w.shape) for (n, w), p in zip(weights().items(), pieces, strict=True)}


def matrix(product, size):
    return torch.stack([product(e) for e in torch.eye(size, dtype=torch.float64)], 1)


@pytest.fixture(scope="module")
def tangents():
    return Tangents(outputs, weights())


@pytest.fixture(scope="module")
def dense_jacobian():
    dense = jacobian(lambda v: outputs(named(v)).reshape(-1), flat(weights()))
    return dense.reshape(M, N * K, -1)


@pytest.mark.slow
@pytest.mark.parametrize("lam", LAMS)
def test_the_hessian_is_that_of_the_joint_loss(tangents, lam):
    _, target = examples()
    expected = hessian(lambda v: joint_loss(outputs(named(v)), target, lam), flat(weights()))
    product = tangents.hessian(joint_loss(tangents.outputs, target, lam))
    np.testing.assert_allclose(matrix(product, tangents.size), expected, atol=1e-13)


@pytest.mark.parametrize("lam", LAMS)
def test_the_hessian_by_the_outputs_is_that_of_the_joint_loss(lam):
    _, target = examples()
    eta = outputs(weights())
    expected = hessian(lambda v: joint_loss(v.view(M, N, K), target, lam), eta.reshape(-1))
    product = output_hessian(eta, lam)
    formed = matrix(lambda v: product(v.view(M, N, K)).reshape(-1), M * N * K)
    np.testing.assert_allclose(formed, expected, atol=1e-15)
    diagonal = own_hessian(eta, lam)
    blocks = matrix(lambda v: diagonal(v.view(M, N, K)).reshape(-1), M * N * K)
    mask = torch.block_diag(*[torch.ones(N * K, N * K)] * M)
    np.testing.assert_allclose(blocks, expected * mask, atol=1e-15)


def test_push_and_pull_are_the_jacobian_and_its_transpose(tangents, dense_jacobian):
    whole = dense_jacobian.reshape(M * N * K, -1)
    pushed = matrix(lambda v: tangents.push(v).reshape(-1), tangents.size)
    np.testing.assert_allclose(pushed, whole, atol=1e-14)
    pulled = matrix(lambda u: tangents.pull(u.view(M, N, K)), M * N * K)
    np.testing.assert_allclose(pulled, whole.T, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("lam", LAMS)
def test_between_members_the_hessian_is_the_gauss_newton_matrix(tangents, lam):
    """Block (j, k) is (λ/M²) J_jᵀ Σ̄ J_k, without a term from the curvature of the outputs."""
    _, target = examples()
    inner = output_hessian(tangents.outputs.detach(), lam)
    ggn = matrix(tangents.gauss_newton(inner), tangents.size)
    full = matrix(tangents.hessian(joint_loss(tangents.outputs, target, lam)), tangents.size)
    size = tangents.size // M
    between_members = ~torch.block_diag(*[torch.ones(size, size)] * M).bool()
    np.testing.assert_allclose(full[between_members], ggn[between_members], atol=1e-14)
    assert (full - ggn).abs().max() > 1e-3


def test_consensus_and_disagreement_add_up_where_members_agree():
    v = torch.randn(M, N, K, dtype=torch.float64)
    np.testing.assert_allclose(agreement(v) + disagreement(v), v, atol=1e-15)
    np.testing.assert_allclose(disagreement(v).mean(0), 0, atol=1e-15)
    np.testing.assert_allclose(agreement(disagreement(v)), 0, atol=1e-15)


@pytest.mark.slow
def test_along_disagreement_curvature_falls_with_one_minus_lam(tangents):
    tops = []
    for lam in (0.0, 0.9, 0.999):
        inner = between(disagreement, output_hessian(tangents.outputs.detach(), lam))
        product = batch_of_one(tangents.gauss_newton(inner))
        start = torch.randn(1, tangents.size, dtype=torch.float64)
        tops.append(float(ritz(lanczos(product, start, 90)).values[-1]) / (1 - lam))
    np.testing.assert_allclose(tops, tops[0], rtol=1e-8)


@pytest.mark.slow
def test_batched_members_equal_members_run_separately(tangents):
    inner = own_hessian(tangents.outputs.detach(), 0.7)
    together = members_ends(tangents, inner, 12)
    product = tangents.gauss_newton(output_hessian(tangents.outputs.detach(), 0.7))
    size = tangents.size // M
    for j in range(M):
        rows = slice(j * size, (j + 1) * size)

        def block(v, rows=rows):
            whole = torch.zeros(tangents.size, dtype=torch.float64)
            whole[rows] = v
            return product(whole)[rows]

        single = ritz(lanczos(batch_of_one(block), together.basis[j, :1], 12))
        np.testing.assert_allclose(ritz(together, j).values, single.values, atol=1e-12)
        dense = torch.linalg.eigvalsh(matrix(block, size))
        assert float(single.values[-1]) == pytest.approx(float(dense[-1]), rel=1e-8)


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.9, 0.99, 0.999])
def test_for_squared_error_and_linear_members_kappa_is_one_over_one_minus_lam(lam):
    """With uncorrelated inputs; otherwise the condition number of the inputs is a factor."""
    x = torch.linalg.qr(torch.randn(12, 5, dtype=torch.float64))[0]
    linear = {"w": torch.randn(4, 5, 2, dtype=torch.float64)}
    tangents = Tangents(lambda w: x @ w["w"], linear)
    product = tangents.gauss_newton(output_hessian(tangents.outputs.detach(), lam, gaussian))
    start = torch.randn(1, tangents.size, dtype=torch.float64)
    values = ritz(lanczos(batch_of_one(product), start, 30)).values
    assert float(values[-1] / values[0]) == pytest.approx(1 / (1 - lam), rel=1e-10)


@pytest.mark.parametrize("lam", [0.5, 0.999])
def test_the_inputs_condition_number_is_a_factor_of_kappa(lam):
    x = torch.randn(12, 5, dtype=torch.float64)
    tangents = Tangents(lambda w: x @ w["w"], {"w": torch.randn(4, 5, 2, dtype=torch.float64)})
    product = tangents.gauss_newton(output_hessian(tangents.outputs.detach(), lam, gaussian))
    start = torch.randn(1, tangents.size, dtype=torch.float64)
    values = ritz(lanczos(batch_of_one(product), start, 40)).values
    condition = float(torch.linalg.cond(x)) ** 2
    assert float(values[-1] / values[0]) == pytest.approx(condition / (1 - lam), rel=1e-6)


@pytest.mark.slow
def test_the_five_largest_of_a_thousand_weights_are_the_dense_ones_and_scipys():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 12, generator=generator, dtype=torch.float64)
    target = torch.randint(0, K, (50,), generator=generator)
    shapes = {"a": (4, 12, 15), "c": (4, 15, K)}
    w = {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()}
    tangents = Tangents(lambda v: torch.tanh(x @ v["a"]) @ v["c"], w)
    product = tangents.hessian(joint_loss(tangents.outputs, target, 0.9))
    assert tangents.size == 960
    dense = np.linalg.eigvalsh(matrix(product, 960).numpy())
    start = torch.randn(1, 960, generator=generator, dtype=torch.float64)
    spectrum = ritz(lanczos(batch_of_one(product), start, 90))
    np.testing.assert_allclose(spectrum.values[-5:], dense[-5:], rtol=1e-6)
    np.testing.assert_allclose(spectrum.values[0], dense[0], rtol=1e-6)
    operator = LinearOperator((960, 960), lambda v: product(torch.from_numpy(v)), dtype=float)
    np.testing.assert_allclose(np.sort(eigsh(operator, 5, which="LA")[0]), dense[-5:], rtol=1e-8)
