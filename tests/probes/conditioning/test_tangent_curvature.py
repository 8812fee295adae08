import numpy as np
import pytest
import torch

from jtdiag_probes.conditioning import tangent_redundancy
from jtdiag_probes.conditioning.output_curvature import Spectrum, categorical
from jtdiag_probes.conditioning.tangent_curvature import cross_share, through_weights
from jtdiag_probes.conditioning.tangent_kernels import kernels_without_shifts
from jtdiag_probes.linalg.curvature_products import Tangents, output_hessian

K, D = 3, 3


def ensemble(hidden, examples, members=3, seed=0):
    """Linearized perceptrons with one tanh layer, and their Jacobians (M, nK, P)."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = normal(examples, D)
    w = {"a": normal(members, D, hidden), "b": normal(members, 1, hidden)}
    w |= {"c": normal(members, hidden, K), "d": normal(members, 1, K)}

    def outputs(v):
        return torch.tanh(x @ v["a"] + v["b"]) @ v["c"] + v["d"]

    tangents = Tangents(outputs, w)
    pushed = [tangents.push(e).reshape(members, -1) for e in torch.eye(tangents.size).double()]
    whole = torch.stack(pushed, 2)
    size = tangents.size // members
    blocks = torch.stack([whole[j, :, j * size : (j + 1) * size] for j in range(members)])
    return tangents, blocks.detach()


def gauss_newton(tangents, lam):
    product = tangents.gauss_newton(output_hessian(tangents.outputs.detach(), lam))
    return torch.stack([product(e) for e in torch.eye(tangents.size).double()], 1).numpy()


def centred(jacobians):
    examples = jacobians.shape[1] // K
    centre = torch.kron(torch.eye(examples), torch.eye(K) - torch.ones(K, K) / K).double()
    return centre @ jacobians


@pytest.mark.slow
@pytest.mark.parametrize("lam", [0.0, 0.5, 0.9, 0.999, 1.0])
def test_kappa_by_the_weights_is_that_of_the_dense_matrix_without_its_null_space(lam):
    tangents, _ = ensemble(hidden=6, examples=5)
    curvature = categorical(tangents.outputs.detach().numpy())
    lifted = through_weights(curvature, kernels_without_shifts(tangents))
    extremes = Spectrum(lifted).extremes(lam)
    rank = 10 if lam == 1 else 30
    expected = np.linalg.eigvalsh(gauss_newton(tangents, lam))
    assert extremes.largest[0] == pytest.approx(expected[-1], rel=1e-9)
    assert extremes.smallest[0] == pytest.approx(expected[-rank], rel=1e-6)
    assert (expected > 1e-12).sum() == rank


@pytest.mark.slow
def test_kappa_of_fewer_examples_bounds_that_of_more():
    tangents, _ = ensemble(hidden=8, examples=6)
    logits, kernels = tangents.outputs.detach().numpy(), kernels_without_shifts(tangents)
    kappas = []
    for n in range(1, 7):
        curvature = categorical(logits[:, :n])
        kernel = kernels[:, : 2 * n, : 2 * n]
        kappas.append(float(Spectrum(through_weights(curvature, kernel)).extremes(0.9).kappa[0]))
    assert kappas == sorted(kappas)
    assert kappas[-1] > 10 * kappas[0]


def test_kernels_are_products_of_jacobians_without_shifts():
    tangents, jacobians = ensemble(hidden=2, examples=4)
    kernels = kernels_without_shifts(tangents)
    expected = torch.linalg.eigvalsh(centred(jacobians) @ centred(jacobians).mT)[:, 4:]
    np.testing.assert_allclose(np.linalg.eigvalsh(kernels), expected, atol=1e-12)


def test_members_too_small_for_the_examples_are_singular():
    tangents, _ = ensemble(hidden=2, examples=40)
    curvature = categorical(tangents.outputs.detach().numpy())
    assert through_weights(curvature, kernels_without_shifts(tangents)) is None


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_the_share_between_members_is_that_of_the_dense_matrix(lam):
    tangents, _ = ensemble(hidden=2, examples=4)
    dense = gauss_newton(tangents, lam)
    size = tangents.size // 3
    within = np.kron(np.eye(3), np.ones((size, size)))
    expected = (dense * (1 - within) ** 2) ** 2
    curvature = categorical(tangents.outputs.detach().numpy())
    share = cross_share(curvature, kernels_without_shifts(tangents), lam)
    assert share == pytest.approx(expected.sum() / (dense**2).sum(), abs=1e-12)


def estimate(tangents, steps, vectors, share=1e-3, seed=3):
    return tangent_redundancy._estimated(tangents, steps, vectors, share, seed)


def soft_rank_redundancy(jacobians):
    """R from eigenvalues of the dense kernels."""
    kernels = (centred(jacobians) @ centred(jacobians).mT).numpy()
    spectra = [np.linalg.eigvalsh(kernel) for kernel in (kernels.mean(0), *kernels)]
    threshold = 1e-3 * spectra[0][-1]
    together, *each = ((s / (s + threshold)).sum() for s in spectra)
    return 1 - together / sum(each)


@pytest.mark.parametrize(("hidden", "examples"), [(2, 20), (6, 8)])
def test_redundancy_is_that_of_soft_ranks_of_the_dense_kernels(hidden, examples):
    tangents, jacobians = ensemble(hidden, examples)
    exact = tangent_redundancy.tangent_redundancy(tangents, 30, 5)
    assert exact.value == pytest.approx(soft_rank_redundancy(jacobians), rel=1e-9)
    assert (exact.se, exact.quadrature) == (0, 0)
    assert exact.low == exact.value == exact.high


@pytest.mark.slow
def test_few_products_are_an_estimate_near_the_exact_redundancy():
    tangents, jacobians = ensemble(hidden=2, examples=20)
    few = tangent_redundancy.tangent_redundancy(tangents, 9, 2)
    assert few.se > 0
    assert few.low <= soft_rank_redundancy(jacobians) <= few.high


def test_soft_ranks_of_weights_are_those_of_outputs():
    """Members of fewer weights than outputs take the way by weights; both are the same number."""
    tangents, _ = ensemble(hidden=2, examples=20)
    start = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = tangent_redundancy._without_shifts(start.view(20, 3)).mT.reshape(-1)
    ways = (tangent_redundancy._by_weights, tangent_redundancy._by_outputs)
    by_weights, by_outputs = (way(tangents, start, 40, 1e-2) for way in ways)
    np.testing.assert_allclose(by_weights, by_outputs, rtol=1e-8)


def test_single_precision_is_refused_where_one_member_hides_the_others():
    tangents, _ = ensemble(hidden=2, examples=20)
    weights = {name: weight.detach() for name, weight in tangents._weights.items()}
    single = Tangents(
        lambda w: tangents._function({n: v.double() for n, v in w.items()}).float(),
        {name: weight.float() for name, weight in weights.items()},
    )
    assert tangent_redundancy.is_precise(single, tangents)
    assert not tangent_redundancy.is_precise(single, tangents, share=1e-9)


@pytest.mark.slow
def test_the_interval_of_redundancy_covers_the_exact_value():
    """In about 95 % of seeded repetitions; at most 51 of 60 has a probability of 0.1 %."""
    tangents, jacobians = ensemble(hidden=2, examples=8)
    exact = soft_rank_redundancy(jacobians)
    intervals = [estimate(tangents, 16, 3, seed=seed) for seed in range(60)]
    assert max(r.quadrature for r in intervals) < 1e-6
    covered = sum(r.low <= exact <= r.high for r in intervals)
    assert covered >= 52
    errors = np.array([r.value - exact for r in intervals])
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(60)


@pytest.mark.slow
def test_the_quadrature_bounds_hold_when_lanczos_stops_early():
    """With the same vectors, more steps stay within the bound of fewer."""
    tangents, _ = ensemble(hidden=6, examples=8)
    converged = estimate(tangents, 24, 3)
    assert converged.quadrature < 1e-6
    for steps in (3, 5, 8):
        early = estimate(tangents, steps, 3)
        assert abs(early.value - converged.value) <= early.quadrature
        assert early.quadrature > 1e-4
        assert early.low <= converged.low < converged.high <= early.high


@pytest.mark.slow
def test_small_members_overlap_little_and_large_ones_wholly():
    small, jacobians = ensemble(hidden=2, examples=40)
    each = sum(
        int(torch.linalg.matrix_rank(jacobian, rtol=1e-9)) for jacobian in centred(jacobians)
    )
    joined = torch.cat(list(centred(jacobians)), 1)
    hard = 1 - int(torch.linalg.matrix_rank(joined, rtol=1e-9)) / each
    redundancy = estimate(small, 60, 16, share=1e-9)
    assert abs(redundancy.value - hard) < 4 * redundancy.se < 0.3
    large, _ = ensemble(hidden=8, examples=4)
    assert estimate(large, 30, 4, share=1e-9).value == pytest.approx(2 / 3, abs=1e-3)


@pytest.mark.slow
def test_members_that_are_copies_are_redundant_but_for_one():
    tangents, _ = ensemble(hidden=3, examples=8, members=1)
    w = {name: t.detach().repeat(4, *[1] * (t.ndim - 1)) for name, t in tangents._weights.items()}
    x = torch.randn(8, D, dtype=torch.float64)
    copies = Tangents(lambda v: torch.tanh(x @ v["a"] + v["b"]) @ v["c"] + v["d"], w)
    for redundancy in (
        estimate(copies, 40, 3),
        tangent_redundancy.tangent_redundancy(copies, 9, 9),
    ):
        assert redundancy.value == pytest.approx(0.75, abs=1e-9)
        assert redundancy.high <= 0.75 + 1e-9


def test_a_shift_that_all_members_can_make_is_no_redundancy():
    """Two members change the logits of one example differently, except for a common shift."""
    moves = torch.tensor([[[1.0, -1, 0], [1, 1, 1]], [[1, 1, -2], [1, 1, 1]]]).double()
    w = {"a": torch.zeros(2, 1, 2, dtype=torch.float64)}
    tangents = Tangents(lambda v: v["a"] @ moves + (v["a"] ** 2).sum(), w)
    assert estimate(tangents, 3, 8, share=1e-9).value == pytest.approx(0, abs=1e-6)
