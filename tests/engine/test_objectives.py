import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag import families, names, train
from jtdiag.engine import objectives, seeds
from jtdiag.engine.objectives import Classes, Differentiated, TrainingObjective, build
from jtdiag.engine.progress import NullListener
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.families import combining
from jtdiag.recipe.objective import Objective as Wanted
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train
from jtdiag.store import lanes

L, M, N, K = 2, 4, 6, 3
CLASSES = families.find("categorical")
EVERY = pytest.mark.parametrize("name", families.FAMILIES.names())
BOTH = pytest.mark.parametrize("combiner", families.COMBINERS)


def some(name, *shape):
    """Parameters (*shape, K) and targets without the axis of members, always the same."""
    generator = torch.Generator().manual_seed(4)
    eta = 2 * torch.randn(*shape, K, generator=generator, dtype=torch.float64)
    of = (*shape[:-2], shape[-1])
    if name == "categorical":
        return eta, torch.randint(K, of, generator=generator)
    if name == "gaussian":
        return eta, torch.randn(*of, K, generator=generator, dtype=torch.float64)
    return eta, torch.randint(9 if name == "poisson" else 2, (*of, K), generator=generator)


def recipe(lam=(0.0, 0.9), family="categorical", data="digits", combiner="logits", **objective):
    return Recipe(
        data=Data(name=data),
        members=Members(arch="mlp", count=3, hidden=(4,)),
        lam=lam,
        family=family,
        combiner=combiner,
        objective=Wanted(**objective),
        train=Train(epochs=3, batch=200, lr=(0.01,)),
        keep=Keep(outputs="none", checkpoints="none"),
        engine=Engine(device="cpu", threads=1, precision="float64"),
    )


# --- the engine's layout -------------------------------------------------------------------------


@EVERY
@BOTH
def test_the_step_of_lanes_is_the_gradient_of_the_mean_of_eq_4(name, combiner):
    family = families.find(name)
    eta, target = some(name, L, M, N)
    lam = torch.tensor([0.3, 1.0], dtype=torch.float64)
    objective = TrainingObjective(family=family, combiner=combiner)
    found, gradient = objective.losses_and_gradient(eta.transpose(2, 3), target, lam)
    for lane in range(L):
        leaf = eta[lane].clone().requires_grad_()
        loss = combining.eq4(family, leaf, target[lane], float(lam[lane]), combiner).mean()
        [expected] = torch.autograd.grad(loss, leaf)
        torch.testing.assert_close(gradient[lane].transpose(1, 2), expected, rtol=0, atol=1e-13)
        members = combining.member_losses(family, eta[lane], target[lane])
        torch.testing.assert_close(found.members[lane], members)
        ensemble = combining.ensemble_loss(family, eta[lane], target[lane], combiner)
        torch.testing.assert_close(found.ensemble[lane], ensemble)


def test_the_closed_form_of_classes_agrees_with_the_general_one():
    eta, target = some("categorical", L, M, N)
    logits, lam = eta.transpose(2, 3).contiguous(), torch.tensor([0.3, 1.0], dtype=torch.float64)
    fast, general = Classes(family=CLASSES), TrainingObjective(family=CLASSES)
    weight = torch.rand(L, M, N, dtype=torch.float64)
    for extra in ({}, {"weight": weight}):
        a, by_a = fast.losses_and_gradient(logits, target, lam, **extra)
        b, by_b = general.losses_and_gradient(logits, target, lam, **extra)
        torch.testing.assert_close(by_a, by_b, rtol=0, atol=1e-15)
        torch.testing.assert_close(a.members, b.members, rtol=1e-13, atol=1e-15)
        torch.testing.assert_close(a.ensemble, b.ensemble, rtol=1e-13, atol=1e-15)
    for a, b in zip(fast.errors(logits, target), general.errors(logits, target), strict=True):
        assert torch.equal(a.double(), b)


def test_only_classes_with_averaged_logits_take_the_closed_form():
    assert type(build(recipe(), CLASSES)) is Classes
    assert type(build(recipe(combiner="probabilities"), CLASSES)) is TrainingObjective
    assert type(build(recipe(family="poisson"), families.find("poisson"))) is TrainingObjective
    assert type(build(recipe(loss="gncl-exact"), CLASSES)) is Differentiated


@EVERY
def test_errors_are_the_familys_by_its_scale(name):
    family = families.find(name)
    eta, target = some(name, L, M, N)
    objective = TrainingObjective(family=family, combiner="probabilities", error_scale=4.0)
    members, ensemble = objective.errors(eta.transpose(2, 3), target)
    mean = family.mean(eta)
    for lane, j in np.ndindex(L, M):
        expected = family.error(mean[lane, j], target[lane]) / 4
        torch.testing.assert_close(members[lane, j], expected)
    torch.testing.assert_close(ensemble, family.error(mean.mean(1), target) / 4)


# --- relatives -----------------------------------------------------------------------------------


def test_gncl_exact_is_eq_4_for_gaussians():
    eta, target = some("gaussian", M, N)
    family = families.find("gaussian")
    for lam in (0.0, 0.6, 1.0):
        found = objectives.gncl_exact(family, eta, target, lam)
        expected = combining.eq4(family, eta, target, lam)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@EVERY
def test_gncl_exact_is_eq_4_to_second_order_in_the_spread(name):
    family = families.find(name)
    eta, target = some(name, M, N)
    mean = eta.mean(0)
    gaps = []
    for spread in (1e-2, 1e-3):
        near = mean + spread * (eta - mean)
        found = objectives.gncl_exact(family, near, target, 0.8)
        gaps.append(float((found - combining.eq4(family, near, target, 0.8)).abs().max()))
    assert gaps[1] < 2e-3 * gaps[0] or gaps[0] < 1e-13  # third order: 1000 times less


def test_gncl_exact_is_the_sum_that_its_authors_write_for_classes():
    eta, target = some("categorical", M, N)
    found = objectives.gncl_exact(CLASSES, eta, target, 0.7)
    for n in range(N):
        bar = eta[:, n].mean(0)
        q = torch.softmax(bar, 0)
        curved = torch.diag(q) - torch.outer(q, q)
        value = 0.0
        for j in range(M):
            d = eta[j, n] - bar
            own = functional.cross_entropy(eta[j, n], target[n])
            value += float(own / M - 0.7 / (2 * M) * d @ curved @ d)
        assert float(found[n]) == pytest.approx(value, rel=1e-12)


def test_gncl_exact_of_classes_has_no_lower_bound():
    spread = torch.tensor([[[1.0, -1.0]], [[-1.0, 1.0]]], dtype=torch.float64)
    target = torch.tensor([0])
    far = [float(objectives.gncl_exact(CLASSES, s * spread, target, 0.1)) for s in (10, 100, 1000)]
    assert far == sorted(far, reverse=True)
    assert far[-1] < -1e4


def test_the_gradient_of_gncl_exact_is_that_of_finite_differences():
    eta, target = some("categorical", 1, M, N)
    lam = torch.tensor([0.7], dtype=torch.float64)
    objective = build(recipe(loss="gncl-exact"), CLASSES)
    with torch.no_grad():
        _, gradient = objective.losses_and_gradient(eta.transpose(2, 3), target, lam)
    step = torch.zeros_like(eta)
    step[0, 1, 2, 0] = 1e-6
    up, down = (
        objectives.gncl_exact(CLASSES, eta + sign * step, target, 0.7).mean() for sign in (1, -1)
    )
    assert float(gradient[0, 1, 0, 2]) == pytest.approx(float((up - down) / 2e-6), rel=1e-6)


@EVERY
@BOTH
def test_the_jensen_gap_with_gamma_is_eq_4_at_1_minus_gamma(name, combiner):
    family = families.find(name)
    eta, target = some(name, M, N)
    for gamma in (0.0, 0.3, 1.0):
        found = objectives.jensen_gap(family, eta, target, gamma, combiner)
        expected = combining.eq4(family, eta, target, 1 - gamma, combiner)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_sm_and_ll_are_independent_training_by_m_and_fc_is_end_to_end():
    eta, target = some("categorical", M, N)
    eta = eta.requires_grad_()

    def with_gradient(losses):
        return losses.detach(), torch.autograd.grad(losses.sum(), eta)[0]

    sm, by_sm = with_gradient(objectives.coupled("coupled-sm", eta, target))
    ll, by_ll = with_gradient(objectives.coupled("coupled-ll", eta, target))
    joint, by_joint = with_gradient(combining.eq4(CLASSES, eta, target, 0.0))
    alone = [functional.cross_entropy(one, target, reduction="none") for one in eta]
    _, by_alone = with_gradient(sum(alone))
    for value, gradient in ((sm, by_sm), (ll, by_ll), (joint, by_joint)):
        torch.testing.assert_close(value, sum(alone).detach() / M, rtol=1e-12, atol=0)
        torch.testing.assert_close(gradient, by_alone / M, rtol=0, atol=1e-15)
    fc, by_fc = with_gradient(objectives.coupled("coupled-fc", eta, target))
    end, by_end = with_gradient(combining.eq4(CLASSES, eta, target, 1.0))
    torch.testing.assert_close(fc, end, rtol=1e-12, atol=0)
    torch.testing.assert_close(by_fc, by_end, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "coupled-fc"}, "which is the joint loss at λ = 1; set lam = 1"),
        ({"loss": "coupled-sm", "lam": (1.0,)}, "joint loss at λ = 0; set lam = 0"),
        ({"loss": "gncl-exact", "combiner": "probabilities"}, "defined for averaged logits"),
        ({"loss": "gncl-exact", "drop": 0.5}, "dropped from the joint loss only"),
    ],
)
def test_an_objective_that_is_not_defined_is_refused(changes, said):
    with pytest.raises(RecipeError, match=said):
        recipe(**changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "lam"),
    [("gncl-upper", 0.9), ("jensen-gap", 0.9), ("coupled-fc", 1), ("coupled-ll", 0)],
)
def test_other_names_of_the_joint_loss_train_the_same_run(loss, lam, tmp_path):
    plain = train(recipe(lam=(float(lam),)), tmp_path / "plain").metrics()
    named = train(recipe(lam=(float(lam),), loss=loss), tmp_path / "named").metrics()
    assert plain.equals(named)


# --- learner dropout -----------------------------------------------------------------------------


def test_kept_members_share_an_example_and_one_without_any_does_not_count():
    kept = torch.tensor([[[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]])
    share, weight = objectives.shares_of_kept(kept)
    assert share[0, :, 0].tolist() == [0.5, 0.5]
    assert share[0, :, 2].tolist() == [1.0, 0.0]
    assert weight[0, 0].tolist() == [1.5, 0.0, 1.5]


@BOTH
def test_the_step_with_dropped_members_is_the_mean_over_examples_that_count(combiner):
    eta, target = some("categorical", 1, M, N)
    kept = (torch.rand(1, M, N, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    kept[:, :, 2] = 0
    share, weight = objectives.shares_of_kept(kept)
    objective = build(recipe(combiner=combiner), CLASSES)
    lam = torch.tensor([0.7], dtype=torch.float64)
    _, found = objective.losses_and_gradient(eta.transpose(2, 3), target, lam, share, weight)
    expected = torch.zeros_like(eta)
    counting = [n for n in range(N) if kept[0, :, n].any()]
    for n in counting:
        members = kept[0, :, n].nonzero().flatten()
        leaf = eta[0, members, n : n + 1].clone().requires_grad_()
        loss = combining.eq4(CLASSES, leaf, target[0, n : n + 1], 0.7, combiner).sum()
        [one] = torch.autograd.grad(loss, leaf)
        expected[0, members, n] = one[:, 0] / len(counting)
    assert len(counting) == N - 1
    torch.testing.assert_close(found.transpose(2, 3), expected, rtol=0, atol=1e-15)


def test_all_subsets_of_gaussians_train_as_eq_4_at_the_lambda_of_dropout():
    eta, target = some("gaussian", 1, 5, N)
    objective = TrainingObjective(family=families.find("gaussian"))
    end_to_end = torch.ones(1, dtype=torch.float64)
    for kept in range(1, 6):
        gradients = []
        for subset in itertools.combinations(range(5), kept):
            mask = torch.zeros(1, 5, N, dtype=torch.float64)
            mask[:, list(subset)] = 1
            how = objectives.shares_of_kept(mask)
            _, one = objective.losses_and_gradient(eta.transpose(2, 3), target, end_to_end, *how)
            gradients.append(one)
        lam = torch.tensor([objectives.dropout_lam(5, kept)], dtype=torch.float64)
        _, expected = objective.losses_and_gradient(eta.transpose(2, 3), target, lam)
        torch.testing.assert_close(torch.stack(gradients).mean(0), expected, rtol=0, atol=1e-13)


@pytest.mark.slow
def test_dropping_members_changes_training_and_nothing_before_it(tmp_path):
    plain = train(recipe(), tmp_path / "plain").metrics()[names.MEMBER_LOSS]
    dropped = train(recipe(drop=0.5), tmp_path / "dropped").metrics()[names.MEMBER_LOSS]
    assert plain.sel(epoch=0).equals(dropped.sel(epoch=0))
    assert (plain.sel(epoch=3) != dropped.sel(epoch=3)).all()


def test_who_is_dropped_is_the_same_at_every_lambda_and_other_in_every_epoch(tmp_path):
    session = Session.of(recipe(drop=0.4))
    group = session.lane_group(lanes.lanes_of(session.recipe))
    kept = group._kept(1000, group._drops(1))
    assert torch.equal(kept[0], kept[1])
    assert float(kept.mean()) == pytest.approx(0.6, abs=0.03)
    assert not torch.equal(kept, group._kept(1000, group._drops(2)))
    assert seeds.Purpose.DROP == 5


# --- schedules of λ ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"lam_schedule": "constant"}, [0.8] * 6),
        ({"lam_schedule": "linear"}, [0, 0, 0.2, 0.4, 0.6, 0.8]),
        ({"lam_schedule": "linear", "lam_start": 1.0, "lam_epochs": 3}, [1, 1, 0.9, 0.8, 0.8, 0.8]),
        ({"lam_schedule": "cosine", "lam_epochs": 3}, [0, 0, 0.4, 0.8, 0.8, 0.8]),
        ({"lam_schedule": "step", "lam_epochs": 2}, [0, 0, 0, 0.8, 0.8, 0.8]),
        ({"lam_schedule": "linear", "lam_epochs": 1}, [0, 0, 0.8, 0.8, 0.8, 0.8]),
    ],
)
def test_lambda_moves_to_the_lanes_own(schedule, expected):
    wanted = Wanted(**schedule)
    found = [wanted.lam_at(0.8, epoch, 5) for epoch in range(6)]
    assert found == pytest.approx(expected)
    assert found[-1] == 0.8


@pytest.mark.slow
def test_a_scheduled_lambda_is_recorded_and_descended(tmp_path):
    moved = recipe(lam=(0.5, 1.0), lam_schedule="step", lam_epochs=2)
    run = train(moved, tmp_path / "moved")
    recorded = run.metrics()[names.LAM_AT]
    assert recorded.dims == (names.LAM, names.TRIAL, names.EPOCH)
    assert recorded.sel(trial=0).values.tolist() == [[0, 0, 0, 0.5], [0, 0, 0, 1]]
    assert run.metrics()[names.LAM].values.tolist() == [0.5, 1.0]
    lane = run.lanes[1]
    assert (run.lam(lane), run.lam_at(lane, 2), run.lam_at(lane, 3)) == (1.0, 0.0, 1.0)
    loss = run.metrics()[names.MEMBER_LOSS].sel(split="test", trial=0)
    fixed = train(recipe(lam=(0.0,)), tmp_path / "fixed").metrics()[names.MEMBER_LOSS]
    for lam in (0.5, 1.0):  # as at λ = 0 for two epochs, and otherwise in the third
        assert (loss.sel(lam=lam)[:3] == fixed.sel(split="test", trial=0, lam=0.0)[:3]).all()
        assert (loss.sel(lam=lam)[3] != fixed.sel(split="test", trial=0, lam=0.0)[3]).all()


@pytest.mark.slow
def test_a_constant_lambda_needs_no_record(tmp_path):
    assert names.LAM_AT not in train(recipe(), tmp_path / "run").metrics()


@pytest.mark.slow
def test_a_run_with_dropping_and_a_schedule_goes_on_as_if_never_stopped(tmp_path):
    class Impatient(NullListener):
        def epoch(self, report):
            if report.epoch == 2:
                raise KeyboardInterrupt

    wanted = recipe(drop=0.4, lam_schedule="linear")
    whole = train(wanted, tmp_path / "whole").metrics()
    with pytest.raises(KeyboardInterrupt):
        train(wanted, tmp_path / "parts", listener=Impatient())
    assert train(wanted, tmp_path / "parts", resume=True).metrics().equals(whole)
