"""Eq. 4 and 5, gradient and curvature of every family and combiner."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from jtdiag import families, joint_loss
from jtdiag.families import combining

LAMS = [0.0, 0.6, 1.0]
LAM = st.sampled_from([0.0, 0.9, 1.0]) | st.floats(0, 1)
EVERY = pytest.mark.parametrize("name", families.FAMILIES.names())
BOTH = pytest.mark.parametrize("combiner", families.COMBINERS)


@st.composite
def ensembles(draw, name):
    """Parameters (M, N, K), mild, extreme or both, and targets of a family."""
    members, examples = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    outputs = draw(st.integers(2 if name == "categorical" else 1, 4))
    largest = 5.0 if name == "poisson" else 300.0  # rates up to 150
    element = st.floats(-largest, largest) | st.floats(-3, 3) | st.sampled_from([-largest, 0.0])
    eta = draw(arrays(np.float64, (members, examples, outputs), elements=element))
    shape = (examples,) if name == "categorical" else (examples, outputs)
    numbers = {
        "categorical": st.integers(0, outputs - 1),
        "gaussian": st.floats(-9, 9),
        "poisson": st.integers(0, 30),
        "bernoulli": st.integers(0, 1),
    }[name]
    kind = np.float64 if name == "gaussian" else np.int64
    return torch.from_numpy(eta), torch.from_numpy(draw(arrays(kind, shape, elements=numbers)))


def some(name, members=4, examples=5, outputs=3):
    """The same ensemble at every call."""
    generator = torch.Generator().manual_seed(4)
    shape = (members, examples, outputs)
    eta = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    if name == "categorical":
        return eta, torch.randint(outputs, shape[1:2], generator=generator)
    if name == "gaussian":
        return eta, torch.randn(shape[1:], generator=generator, dtype=torch.float64)
    return eta, torch.randint(9 if name == "poisson" else 2, shape[1:], generator=generator)


@pytest.mark.slow
@EVERY
@BOTH
@settings(max_examples=40)
@given(st.data())
def test_eq_4_is_eq_5(name, combiner, data):
    eta, target = data.draw(ensembles(name))
    lam = data.draw(LAM)
    family = families.find(name)
    eq4 = combining.eq4(family, eta, target, lam, combiner)
    eq5 = combining.eq5(family, eta, target, lam, combiner)
    scale = combining.member_losses(family, eta, target).abs().amax(0).clamp(min=1)
    assert ((eq4 - eq5).abs() <= 1e-12 * scale).all()
    diversity = combining.diversities(family, eta, target, combiner).mean(0)
    assert (diversity >= -1e-12 * scale).all()


@EVERY
@BOTH
def test_the_joint_loss_of_a_loop_of_ones_own_is_eq_4_averaged(name, combiner):
    family = families.find(name)
    eta, target = some(name)
    for lam in LAMS:
        found = joint_loss(eta, target, lam, family=name, combiner=combiner)
        expected = combining.eq4(family, eta, target, lam, combiner).mean()
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=0)


def test_shapes_of_numbers_that_do_not_fit_are_refused():
    eta, target = some("gaussian")
    with pytest.raises(ValueError, match=r"they must be \(\.\.\., M, N, K\) and \(\.\.\., N, K\)"):
        joint_loss(eta, target[:, 0], 0.5, family="gaussian")


def test_a_lambda_beyond_1_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="above 1 the loss has no lower bound"):
        joint_loss(*some("categorical"), 1.01)
    family = families.find("gaussian")
    target = torch.zeros(1, 1, dtype=torch.float64)
    spread = torch.tensor([-1.0, 1.0], dtype=torch.float64).view(2, 1, 1)
    far = [float(combining.eq5(family, s * spread, target, 1.1)) for s in (1, 10, 100)]
    assert far == sorted(far, reverse=True)
    assert far[-1] < -400


@EVERY
@BOTH
@pytest.mark.parametrize("lam", LAMS)
def test_the_gradient_is_autograds(name, combiner, lam):
    family = families.find(name)
    eta, target = some(name)
    leaf = eta.clone().requires_grad_()
    [expected] = torch.autograd.grad(combining.eq4(family, leaf, target, lam, combiner).sum(), leaf)
    found = combining.gradient(family, eta, target, lam, combiner)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@EVERY
@BOTH
def test_the_gradient_with_shares_is_autograds(name, combiner):
    family = families.find(name)
    eta, target = some(name)
    kept = torch.tensor([[1, 1, 0, 1, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 0, 0]])
    share = (kept / kept.sum(0)).double()
    leaf = eta.clone().requires_grad_()
    total = combining.eq4(family, leaf, target, 0.7, combiner, share).sum()
    [expected] = torch.autograd.grad(total, leaf)
    found = combining.gradient(family, eta, target, 0.7, combiner, share)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    assert (found[kept == 0] == 0).all()


def test_lanes_have_each_their_lambda_in_the_gradient():
    eta, target = some("poisson")
    lam = torch.tensor([0.0, 0.6, 1.0], dtype=torch.float64)
    family = families.find("poisson")
    lanes = combining.gradient(
        family, eta.expand(3, *eta.shape), target.expand(3, *target.shape), lam[:, None]
    )
    for at, one in zip(lanes, lam, strict=True):
        torch.testing.assert_close(at, combining.gradient(family, eta, target, float(one)))


@EVERY
@BOTH
@pytest.mark.parametrize("lam", LAMS)
def test_the_curvature_is_autograds(name, combiner, lam):
    family = families.find(name)
    eta, target = some(name)
    found = combining.curvature(family, eta, lam, combiner, target)
    for n in range(eta.shape[1]):

        def of(stacked, n=n):
            one = stacked.view(len(eta), 1, -1)
            return combining.eq4(family, one, target[n : n + 1], lam, combiner).sum()

        expected = torch.autograd.functional.hessian(of, eta[:, n].reshape(-1))
        torch.testing.assert_close(found[n], expected, rtol=0, atol=1e-11)


def test_the_curvature_of_gaussians_has_the_condition_number_1_over_1_minus_lambda():
    eta, _ = some("gaussian")
    for lam in (0.0, 0.5, 0.9):
        values = torch.linalg.eigvalsh(combining.curvature(families.find("gaussian"), eta, lam)[0])
        assert float(values[-1]) == pytest.approx(1 / 4, rel=1e-12)
        assert float(values[-1] / values[0]) == pytest.approx(1 / (1 - lam), rel=1e-12)


def test_averaged_probabilities_have_a_curvature_only_with_targets():
    with pytest.raises(ValueError, match="needs it"):
        combining.curvature(families.find("gaussian"), some("gaussian")[0], 0.5, "probabilities")


# --- Negative Correlation Learning ---------------------------------------------------------------


@pytest.mark.slow
@given(
    arrays(np.float64, (4, 3), elements=st.floats(-50, 50)),
    arrays(np.float64, 3, elements=st.floats(-50, 50)),
    st.floats(0, 1),
)
@example(np.array([[1.0] * 3, [2.0] * 3, [3.0] * 3, [6.0] * 3]), np.zeros(3), 1.0)
def test_the_gaussian_gradient_is_that_of_negative_correlation_learning(f, y, lam):
    """Liu & Yao 1999: e_i = ½(f_i − y)² + λ p_i, p_i = (f_i − f̄) Σ_{j≠i} (f_j − f̄), f̄ held."""
    members, mean = len(f), f.mean(0)
    ncl = np.empty_like(f)
    for i in range(members):
        others = sum(f[j] - mean for j in range(members) if j != i)
        ncl[i] = (f[i] - y) + lam * others
    eta, target = torch.from_numpy(f)[..., None], torch.from_numpy(y)[:, None]
    ours = combining.gradient(families.find("gaussian"), eta, target, lam)[..., 0]
    assert np.abs(members * ours.numpy() - ncl).max() <= 1e-12 * max(1, np.abs(f).max())


def test_the_gaussian_diversity_is_half_the_ambiguity():
    """Krogh & Vedelsby 1995: mean squared distance of members from their mean."""
    eta, _ = some("gaussian")
    found = combining.divergences(families.find("gaussian"), eta).mean(0)
    torch.testing.assert_close(found, 0.5 * eta.var(0, correction=0).sum(-1), rtol=1e-13, atol=0)


def test_the_poisson_ensemble_is_the_geometric_mean_of_rates():
    eta, _ = some("poisson")
    family = families.find("poisson")
    rates = family.mean(eta)
    torch.testing.assert_close(combining.prediction(family, eta), rates.prod(0) ** 0.25)
    arithmetic = combining.prediction(family, eta, "probabilities")
    torch.testing.assert_close(arithmetic, rates.mean(0))


# --- averaged probabilities ----------------------------------------------------------------------


def test_averaged_probabilities_of_classes_are_the_mean_of_softmaxes():
    eta, target = some("categorical")
    family = families.find("categorical")
    mean = torch.softmax(eta, -1).mean(0)
    expected = -mean[torch.arange(5), target].log()
    found = combining.ensemble_loss(family, eta, target, "probabilities")
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)


def test_members_that_explain_the_target_get_the_gradient():
    eta, target = some("categorical")
    q = torch.softmax(eta, -1)
    own = q[:, torch.arange(5), target]
    rho = own / own.sum(0)
    family = families.find("categorical")
    torch.testing.assert_close(combining.responsibilities(family, eta, target), rho)
    y = torch.nn.functional.one_hot(target, 3)
    found = combining.gradient(family, eta, target, 1.0, "probabilities")
    torch.testing.assert_close(found, rho[..., None] * (q - y), rtol=0, atol=1e-15)


def test_the_label_term_is_what_the_divergences_leave_over():
    eta, target = some("categorical")
    family = families.find("categorical")
    q = torch.softmax(eta, -1)
    bar = q.mean(0)
    without_label = (bar * (bar.log() - q.log())).sum(-1).mean(0)
    whole = combining.diversities(family, eta, target, "probabilities").mean(0)
    term = combining.label_term(torch.log_softmax(eta, -1), target)
    torch.testing.assert_close(whole, without_label + term, rtol=0, atol=1e-14)
    over_labels = torch.stack(
        [combining.label_term(q.log(), torch.full((5,), k)) for k in range(3)], -1
    )
    torch.testing.assert_close(
        (bar * over_labels).sum(-1), torch.zeros(5).double(), atol=1e-14, rtol=0
    )


def test_the_label_term_is_finite_where_nobody_gives_a_class_any_chance():
    log_q = torch.log_softmax(torch.tensor([[[0.0, -1e4]], [[0.5, -1e4]]]).double(), -1)
    assert combining.label_term(log_q, torch.tensor([0])).isfinite().all()


@EVERY
def test_subsets_of_gaussians_have_the_mean_loss_of_eq_4_and_others_nearly(name):
    """Keeping m of M members at random is training at λ = M(m−1)/(m(M−1))."""
    family, members = families.find(name), 5
    eta, target = some(name, members=members)
    if name != "gaussian":
        eta = 0.03 * eta  # to second order in the spread
    for kept in range(1, members + 1):
        subsets = itertools.combinations(range(members), kept)
        losses = [combining.ensemble_loss(family, eta[list(s)], target) for s in subsets]
        lam = members * (kept - 1) / (kept * (members - 1))
        expected = combining.eq4(family, eta, target, lam)
        gap = torch.stack(losses).mean(0) - expected
        diversity = combining.divergences(family, eta).mean(0)
        limit = 1e-12 if name == "gaussian" else 0.03
        assert (gap.abs() <= limit * (diversity if name != "gaussian" else 1)).all()
