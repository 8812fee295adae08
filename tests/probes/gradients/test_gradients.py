import numpy as np
import pytest
import torch
from scipy.special import softmax

from jtdiag import joint_loss
from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.gradients.geometry import by_outputs, cosines, shares, squared_norms
from jtdiag_probes.gradients.gradients import of_replay, probe

LAMS = [0.0, 0.7, 1.0]


@pytest.mark.slow
class TestGradients(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


@pytest.fixture
def ensemble():
    random = np.random.default_rng(0)
    return random.normal(0, 2, (4, 6, 3)), random.integers(0, 3, 6)


@pytest.mark.parametrize("lam", LAMS)
def test_both_parts_add_up_to_the_gradient_of_the_joint_loss(ensemble, lam):
    logits, target = ensemble
    leaf = torch.tensor(logits, requires_grad=True)
    [expected] = torch.autograd.grad(joint_loss(leaf, torch.tensor(target), lam) * 6, [leaf])
    consensus, disagreement = by_outputs(logits, target, lam)
    np.testing.assert_allclose(consensus + disagreement, expected, atol=1e-15)
    np.testing.assert_allclose(disagreement.mean(0), 0, atol=1e-15)


def test_the_member_specific_part_is_that_of_theory(ensemble):
    logits, target = ensemble
    q = softmax(logits, -1)
    _, disagreement = by_outputs(logits, target, 0.9)
    np.testing.assert_allclose(disagreement, 0.1 / 4 * (q - q.mean(0)), atol=1e-16)


@pytest.mark.parametrize("lam", LAMS)
def test_squared_norms_add_up(ensemble, lam):
    logits, target = ensemble
    consensus, disagreement = by_outputs(logits, target, lam)
    expected = ((consensus + disagreement) ** 2).sum(-1).mean()
    common, specific = squared_norms(logits, target, lam)
    assert common + specific.mean() == pytest.approx(expected, rel=1e-12)


def test_cosines_and_shares_of_small_examples():
    a, b = np.array([[3.0, 4], [1, 0], [0, 0]]), np.array([[3.0, 4], [-2, 0], [1, 1]])
    np.testing.assert_allclose(cosines(a, b), [1, -1, np.nan])
    np.testing.assert_allclose(shares(np.array([[3.0, 4], [0, 5]])), [0.5, 0.5])
    assert np.isnan(shares(np.zeros((2, 2)))).all()


def test_gradients_by_the_weights_are_those_of_backward(toy):
    lane = toy.lanes[1]
    replay = Replay.of(toy, lane, 2)
    measured = of_replay(replay)
    x, target = replay.examples("train")
    gradients = []
    for lam in (0.0, 1.0, replay.lam):
        weights = {n: w.clone().requires_grad_() for n, w in replay.trained.items()}
        loss = joint_loss(replay.logits_of(weights, x), target, lam)
        parts = torch.autograd.grad(loss, list(weights.values()))
        gradients.append(torch.cat([part.flatten(1) for part in parts], 1))
    individual, ensemble, joint = gradients
    cosine = torch.cosine_similarity(individual, ensemble, dim=1)
    np.testing.assert_allclose(measured["cosine"], cosine, atol=1e-12)
    np.testing.assert_allclose(measured["gradient_norm"], joint.norm(dim=1), rtol=1e-12)
    share = joint.norm(dim=1) ** 2 / joint.norm() ** 2
    np.testing.assert_allclose(measured["gradient_share"], share, rtol=1e-12)


def test_end_to_end_training_gives_members_no_gradient_of_their_own(result):
    assert float(result["disagreement_share"].sel(lam=1.0).max()) == 0
    assert (result["disagreement_share"].sel(lam=0.0) > 0).all()
    np.testing.assert_allclose(result["gradient_share"].sum("member"), 1, rtol=1e-12)


@pytest.mark.slow
def test_epochs_without_a_checkpoint_are_nan(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], keep={"checkpoints": [1, "last"]})
    measured = probe.ask(run, Options())["consensus_norm"].notnull().values
    assert measured.tolist() == [[[False, True, False, False, True]]]


def test_findings_are_of_the_last_kept_epoch(result):
    findings = probe.judge(result)
    assert {finding.epoch for finding in findings} == {4}
    sentences = {f.lam: f.sentence for f in findings if f.rule == "own-share"}
    assert sentences[1.0].startswith("λ = 1: after epoch 4, 0.0 % of the squared gradient")


def test_a_single_member_has_no_finding(result):
    assert probe.judge(result.isel(member=[0])) == []
