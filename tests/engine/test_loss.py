import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from scipy.special import logsumexp
from torch.nn import functional

from jtdiag import families
from jtdiag.engine import loss
from jtdiag.engine.loss import joint_loss, losses, losses_and_gradient, wrong_votes

M, N, K = 4, 7, 3
LAMS = [0.0, 0.3, 0.9, 1.0]


def draw(*shape, seed=0, scale=3.0, dtype=torch.float64):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def classes(*shape, seed=1):
    return torch.randint(K, shape, generator=torch.Generator().manual_seed(seed))


def in_a_loop(logits, target, lam):
    """Eq. 4 of Webb et al. 2020 as the authors computed it: a list of cross-entropies."""
    members = [functional.cross_entropy(one, target) for one in logits]
    ensemble = functional.cross_entropy(sum(logits) / len(logits), target)
    return lam * ensemble + (1 - lam) * sum(members) / len(members)


def class_major(logits):
    """(…, M, N, K) as the engine has it, (L, M, K, B)."""
    return logits.transpose(-1, -2).contiguous()


# --- Eq. 4 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", LAMS)
def test_the_joint_loss_is_a_loop_over_cross_entropies(lam):
    logits, target = draw(M, N, K), classes(N)
    expected = in_a_loop(logits, target, lam)
    torch.testing.assert_close(joint_loss(logits, target, lam), expected, rtol=1e-14, atol=0)


def test_the_joint_loss_in_single_precision():
    logits, target = draw(M, N, K, dtype=torch.float32), classes(N)
    found = joint_loss(logits, target, 0.7)
    assert found.dtype == torch.float32
    exact = in_a_loop(logits.double(), target, 0.7)
    torch.testing.assert_close(found.double(), exact, rtol=3e-7, atol=0)


def test_two_classes_and_equal_members_have_the_loss_known_on_paper():
    logits = torch.tensor([0.0, 2.0], dtype=torch.float64).expand(5, 3, 2)
    target = torch.tensor([0, 1, 1])
    right, wrong = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    for lam in LAMS:
        found = float(joint_loss(logits, target, lam))
        assert found == pytest.approx((wrong + 2 * right) / 3, rel=1e-15)


def test_the_derivative_of_the_joint_loss_is_exact_to_second_order():
    logits = draw(2, 2, K).requires_grad_()
    target = classes(2)
    torch.autograd.gradgradcheck(lambda eta: joint_loss(eta, target, 0.6), logits)
    torch.autograd.gradcheck(lambda eta: joint_loss(eta, target, 0.6), logits)


def test_lanes_have_each_their_lambda():
    logits, target = draw(2, 3, M, N, K), classes(2, 3, N)
    lam = torch.tensor([[0.0, 0.5, 1.0], [0.1, 0.2, 0.3]], dtype=torch.float64)
    found = joint_loss(logits, target, lam)
    assert found.shape == (2, 3)
    for at in np.ndindex(2, 3):
        expected = in_a_loop(logits[at], target[at], lam[at])
        torch.testing.assert_close(found[at], expected, rtol=1e-14, atol=0)


def test_with_one_member_every_lambda_is_the_same_loss():
    logits, target = draw(1, N, K), classes(N)
    plain = functional.cross_entropy(logits[0], target)
    for lam in LAMS:
        torch.testing.assert_close(joint_loss(logits, target, lam), plain, rtol=1e-14, atol=0)


# Values at which softmax saturates, wholly (1e4) or in the last digits (30 to 40).
ETA = st.floats(-5, 5) | st.sampled_from([-1e4, -700.0, -37.0, 0.0, 30.0, 40.0, 700.0, 1e4])


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(ETA, min_size=M * 2 * K, max_size=M * 2 * K),
    st.lists(st.integers(0, K - 1), min_size=2, max_size=2),
    st.floats(0, 1),
)
@example([1e4] * (2 * K) + [-1e4, 0, 1e4] * (2 * (M - 1)), [0, 2], 1.0)
def test_eq_4_is_eq_5(values, target, lam):
    logits = torch.tensor(values, dtype=torch.float64).view(M, 2, K)
    eq4 = float(joint_loss(logits, torch.tensor(target), lam))
    eta = logits.numpy()
    own = np.take_along_axis(eta, np.array(target)[None, :, None], 2)[..., 0]
    member = (logsumexp(eta, axis=2) - own).mean()
    log_q = eta - logsumexp(eta, axis=2, keepdims=True)
    log_q_bar = eta.mean(0) - logsumexp(eta.mean(0), axis=1, keepdims=True)
    diversity = (np.exp(log_q_bar) * (log_q_bar - log_q)).sum(2).mean()
    scale = max(1.0, np.abs(eta).max())
    assert abs(eq4 - (member - lam * diversity)) < 1e-12 * scale


@pytest.mark.parametrize("lam", [-0.01, 1.01, float("nan"), torch.tensor([0.5, 1.5])])
def test_a_lambda_outside_0_and_1_is_refused(lam):
    with pytest.raises(ValueError, match=r"^lam is .*; it must be in \[0, 1\]\.$"):
        joint_loss(draw(2, M, N, K), classes(2, N), lam)


@pytest.mark.parametrize(
    ("logits", "target"),
    [
        ((N, K), (N,)),
        ((M, N, K), (K,)),
        ((M, N, K), (M, N)),
        ((2, M, N, K), (N,)),
        ((M, K, N), (N,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both_shapes(logits, target):
    with pytest.raises(ValueError, match=r"they must be \(\.\.\., M, N, K\)") as caught:
        joint_loss(draw(*logits), classes(*target), 0.5)
    assert f"{logits}" in str(caught.value)
    assert f"{target}" in str(caught.value)


@pytest.mark.parametrize(
    ("lam", "reason"),
    [
        (1.5, " (above 1 the loss has no lower bound)"),
        (-0.5, ""),
        (float("nan"), ""),
    ],
)
def test_the_error_on_lambda_gives_its_reason(lam, reason):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        joint_loss(draw(M, N, K), classes(N), lam)
    assert str(caught.value) == f"lam is {lam}{reason}; it must be in [0, 1]."


def test_of_several_lambdas_one_outside_is_enough():
    lam = torch.tensor([1.0, -0.5], dtype=torch.float64)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        joint_loss(draw(2, M, N, K), classes(2, N), lam)
    assert str(caught.value) == f"lam is {lam}; it must be in [0, 1]."


@pytest.mark.parametrize(
    ("family", "shape"), [("categorical", "(..., N)"), ("gaussian", "(..., N, K)")]
)
def test_the_error_on_shapes_gives_that_of_the_family(family, shape):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        joint_loss(draw(M, N, K), draw(N + 1), 0.5, family=family)
    assert str(caught.value) == (
        f"logits have shape {(M, N, K)} and targets {(N + 1,)}; "
        f"they must be (..., M, N, K) and {shape}."
    )


@pytest.mark.parametrize("family", ["gaussian", families.find("gaussian")], ids=["name", "object"])
def test_a_family_of_numbers_has_targets_of_the_shape_of_one_prediction(family):
    outputs, target = draw(M, N, K), draw(N, K, seed=2)
    squared = ((outputs - target) ** 2).sum(-1) / 2
    ensemble = ((outputs.mean(0) - target) ** 2).sum(-1) / 2
    expected = 0.3 * ensemble.mean() + 0.7 * squared.mean()
    torch.testing.assert_close(joint_loss(outputs, target, 0.3, family=family), expected)


def test_an_ensemble_of_mean_probabilities_has_their_loss():
    logits, target = draw(M, N, K), classes(N)
    mean = torch.softmax(logits, -1).mean(0)
    expected = -mean[torch.arange(N), target].log().mean()
    loss_of_mean = joint_loss(logits, target, 1.0, combiner="probabilities")
    torch.testing.assert_close(loss_of_mean, expected)
    assert float(expected) != pytest.approx(float(joint_loss(logits, target, 1.0)), rel=1e-3)


# --- losses and gradient -----------------------------------------------------------------------


def test_losses_are_cross_entropies_of_every_member_and_of_the_mean():
    logits, target = draw(2, M, N, K), classes(2, N)
    found = losses(class_major(logits), target)
    assert found.members.shape == (2, M, N)
    assert found.ensemble.shape == (2, N)
    for lane in range(2):
        mean = functional.cross_entropy(logits[lane].mean(0), target[lane], reduction="none")
        torch.testing.assert_close(found.ensemble[lane], mean, rtol=1e-13, atol=1e-15)
        for member in range(M):
            one = functional.cross_entropy(logits[lane, member], target[lane], reduction="none")
            torch.testing.assert_close(found.members[lane, member], one, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_the_gradient_is_autograds_of_the_joint_loss(scale):
    logits = draw(len(LAMS), M, N, K, scale=scale).requires_grad_()
    target, lam = classes(len(LAMS), N), torch.tensor(LAMS, dtype=torch.float64)
    [expected] = torch.autograd.grad(joint_loss(logits, target, lam).sum(), logits)
    with torch.no_grad():
        _, gradient = losses_and_gradient(class_major(logits), target, lam)
    torch.testing.assert_close(gradient, class_major(expected), rtol=0, atol=1e-15)


def test_the_gradient_is_its_closed_form():
    logits, target = draw(1, M, N, K), classes(1, N)
    q = torch.softmax(logits, -1)
    q_bar = torch.softmax(logits.mean(1, keepdim=True), -1)
    y = functional.one_hot(target, K)[:, None]
    for lam in LAMS:
        expected = ((1 - lam) * q + lam * q_bar - y) / (M * N)
        _, gradient = losses_and_gradient(
            class_major(logits), target, torch.tensor([lam], dtype=torch.float64)
        )
        torch.testing.assert_close(gradient, class_major(expected), rtol=0, atol=1e-16)


def test_the_gradient_in_single_precision():
    logits, target = draw(1, M, N, K, dtype=torch.float32), classes(1, N)
    wide = logits.double().requires_grad_()
    [expected] = torch.autograd.grad(joint_loss(wide, target, 0.9).sum(), wide)
    _, gradient = losses_and_gradient(class_major(logits), target, torch.tensor([0.9]))
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient.double(), class_major(expected), rtol=0, atol=1e-8)


def test_at_lambda_1_every_member_gets_the_same_gradient():
    logits, target = draw(2, M, N, K), classes(2, N)
    lam = torch.tensor([1.0, 0.9], dtype=torch.float64)
    _, gradient = losses_and_gradient(class_major(logits), target, lam)
    assert (gradient[0] == gradient[0, :1]).all()
    assert (gradient[1] != gradient[1, :1]).any()


def test_the_losses_beside_the_gradient_are_the_losses():
    logits, target = class_major(draw(2, M, N, K)), classes(2, N)
    alone = losses(logits, target)
    beside, _ = losses_and_gradient(logits, target, torch.tensor([0.0, 1.0]).double())
    assert torch.equal(alone.members, beside.members)
    assert torch.equal(alone.ensemble, beside.ensemble)


def test_neither_logits_nor_targets_are_changed():
    logits, target = class_major(draw(2, M, N, K)), classes(2, N)
    before = logits.clone(), target.clone()
    losses_and_gradient(logits, target, torch.tensor([0.0, 1.0]).double())
    wrong_votes(logits, target[:, None])
    assert torch.equal(logits, before[0])
    assert torch.equal(target, before[1])


# --- votes -------------------------------------------------------------------------------------


def test_values_at_the_target_are_a_plain_lookup():
    values, target = draw(2, M, K, N), classes(2, N)
    found = loss.at_target(values, target[:, None])
    for lane, member, n in np.ndindex(2, M, N):
        assert found[lane, member, n] == values[lane, member, target[lane, n], n]


FEW = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 1e300])


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(FEW, min_size=2 * 4 * 5, max_size=2 * 4 * 5), st.integers(0, 3))
def test_a_vote_is_wrong_where_the_first_largest_logit_is_not_the_targets(values, own):
    logits = torch.tensor(values, dtype=torch.float64).view(2, 4, 5)
    target = torch.full((5,), own)
    found = wrong_votes(logits, target)
    assert np.array_equal(found.numpy(), logits.numpy().argmax(-2) != own)


@pytest.mark.parametrize("own", range(3))
def test_of_equal_logits_the_first_has_the_vote(own):
    tied = torch.ones(1, 3, 1)
    assert wrong_votes(tied, torch.tensor([own])).item() == (own != 0)


@pytest.mark.parametrize("own", range(3))
@pytest.mark.parametrize("at", range(3))
def test_a_vote_with_a_nan_is_wrong(own, at):
    logits = torch.zeros(3, 2)
    logits[own] = 1.0
    target = torch.tensor([own, own])
    assert wrong_votes(logits, target).tolist() == [False, False]
    logits[at, 1] = torch.nan
    assert wrong_votes(logits, target).tolist() == [False, True]


def test_votes_in_single_precision_and_lanes_with_targets_of_their_own():
    logits, target = class_major(draw(2, M, N, K, dtype=torch.float32)), classes(2, N)
    found = wrong_votes(logits, target[:, None])
    assert found.shape == (2, M, N)
    assert torch.equal(found, logits.argmax(2) != target[:, None])


def test_votes_of_members_and_of_the_ensemble_are_those_of_the_largest_logit():
    logits, target = draw(2, M, N, K, scale=1.0), classes(2, N)
    members, ensemble = loss.vote_errors(class_major(logits), target)
    torch.testing.assert_close(members, logits.argmax(-1) != target[:, None])
    torch.testing.assert_close(ensemble, logits.mean(1).argmax(-1) != target)
    assert 0 < int(ensemble.sum()) < ensemble.numel()
