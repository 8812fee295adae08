"""A step of a credit at the weights of a sealed epoch, against the engine and plain autograd."""

import numpy as np
import pytest
import torch

from jtdiag.credit_replay import CreditReplay
from jtdiag.errors import DataError
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag.testing import toy_run

DEEP = {"members": {"hidden": [6, 5], "norm": "batch"}, "lam": [0.5], "trials": 1}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    return toy_run(folder, **DEEP, modules={"credit": "local", "loss": "predsim"})


def step_at(run, epoch, lane=0):
    replay = Replay.of(run, run.lanes[lane], epoch)
    return CreditReplay.of(run, replay, epoch)


def test_the_end_to_end_gradient_is_that_of_plain_autograd(local):
    step = step_at(local, 3)
    [positions, *_] = step.batches(16)
    replay, data = step.replay, step.replay.session.data
    part = data.part("train")
    state = {name: weight.clone()[None] for name, weight in replay.weights.items()}
    trained = {name: state[name].requires_grad_() for name in replay.trained}
    raw = replay.session.stack(state, part.x[positions][None], training=True)[0]
    loss = replay.loss_of(raw.transpose(1, 2), part.y[positions])
    expected = torch.autograd.grad(loss, list(trained.values()))
    computed = step.end_to_end(positions)
    assert list(computed) == list(trained)
    for name, gradient in zip(trained, expected, strict=True):
        torch.testing.assert_close(computed[name], gradient[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("modules", [{"watch": True}, {"credit": "local", "mu": 1.0}])
def test_credits_that_are_end_to_end_give_the_end_to_end_gradient(tmp_path, modules):
    step = step_at(toy_run(tmp_path, **DEEP, modules=modules), 2)
    for positions in step.batches(1000):
        given, wanted = step.credited(positions), step.end_to_end(positions)
        for name, gradient in wanted.items():
            torch.testing.assert_close(given[name], gradient, rtol=1e-12, atol=1e-15)


def test_a_local_step_is_that_of_the_local_loss(tmp_path):
    """With `pred` and λ in the head alone, a hidden module descends its head's mean loss."""
    run = toy_run(tmp_path, **DEEP, modules={"credit": "local"})
    step = step_at(run, 4)
    [positions, *_] = step.batches(16)
    replay, part = step.replay, step.replay.session.data.part("train")
    state = {name: weight.clone()[None] for name, weight in replay.weights.items()}
    for name in step.modules["layer1"]:
        state[name].requires_grad_()
    h = replay.session.stack.run(state, part.x[positions][None], 0, 1, training=True)[0]
    head = {n.rpartition(".")[2]: a for n, a in step.auxiliaries.items() if "layer1." in n}
    logits = h @ head["weight"].transpose(1, 2) + head["bias"].unsqueeze(1)
    target = part.y[positions].expand(len(h), -1)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
    weights = [state[name] for name in step.modules["layer1"]]
    for name, gradient in zip(
        step.modules["layer1"], torch.autograd.grad(loss, weights), strict=True
    ):
        torch.testing.assert_close(
            step.credited(positions)[name], gradient[0], rtol=1e-10, atol=1e-14
        )


def test_nothing_changes(local):
    step = step_at(local, 3)
    before = {name: weight.clone() for name, weight in step.replay.weights.items()}
    state = torch.random.get_rng_state()
    [positions, *_] = step.batches(16)
    first = step.credited(positions)
    step.end_to_end(positions)
    again = step.credited(positions)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(torch.equal(before[name], w) for name, w in step.replay.weights.items())
    assert not any(weight.requires_grad for weight in step.replay.weights.values())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_batches_are_whole_and_of_training_examples_in_random_order(local):
    step = step_at(local, 0)
    batches = step.batches(50)
    assert [len(positions) for positions in batches] == [16, 16, 16]
    positions = torch.cat(batches)
    assert len(set(positions.tolist())) == 48
    assert (positions.sort().values != positions).any()
    trained_on = step.replay.session.data.positions("train", 0)
    assert set(positions.tolist()) <= set(trained_on.tolist())
    assert len(step.batches(1)) == 1
    assert len(step.batches(10_000)) == 80 // 16


def test_with_fewer_examples_than_a_batch_there_is_one(tmp_path):
    run = toy_run(tmp_path, **DEEP, modules={"credit": "local"}, train={"batch": 200, "epochs": 1})
    assert [len(positions) for positions in step_at(run, 0).batches(50)] == [80]


def test_lambda_mu_and_module_are_those_of_the_epoch(tmp_path):
    schedule = {"mu": 1.0, "mu_start": 0.0, "mu_schedule": "linear"}
    run = toy_run(tmp_path, **DEEP, modules={"credit": "local", **schedule})
    mus = [step_at(run, epoch)._batch(torch.arange(16)).mu for epoch in (0, 1, 4)]
    assert mus == [run.recipe.mu_at(1), run.recipe.mu_at(1), 1.0]
    assert step_at(run, 0).epoch == 1
    assert step_at(run, 4).lam == 0.5


def test_a_module_that_is_not_being_trained_is_given_nothing(tmp_path):
    modules = {"credit": "proxy", "loss": "al", "epochs": [1, 2, 1]}
    run = toy_run(tmp_path, **DEEP, modules=modules)
    for epoch, name in ((0, "layer1"), (1, "layer1"), (2, "layer2"), (3, "layer2"), (4, "head")):
        step = step_at(run, epoch)
        [positions, *_] = step.batches(16)
        assert set(step.credited(positions)) == set(step.modules[name])


def test_features_of_another_epoch_are_not_used_again(tmp_path):
    """A replay beside another shares the session, but the weights below a module differ."""
    modules = {"credit": "proxy", "loss": "al", "epochs": [1, 2, 1]}
    run = toy_run(tmp_path, **(DEEP | {"trials": 2}), modules=modules)
    first = Replay.of(run, run.lanes[0], 2)
    CreditReplay.of(run, first, 2).credited(torch.arange(16))
    second = Replay.of(run, run.lanes[1], 2, beside=first)
    beside = CreditReplay.of(run, second, 2).credited(torch.arange(16))
    alone = step_at(run, 2, lane=1).credited(torch.arange(16))
    assert all(torch.equal(beside[name], alone[name]) for name in alone)


def test_a_run_without_modules_has_no_credit(toy):
    replay = Replay.of(Run(toy.path), toy.lanes[0], 0)
    with pytest.raises(DataError, match="trained as a whole"):
        CreditReplay.of(toy, replay, 0)


def test_the_step_is_the_one_that_was_taken(tmp_path):
    """With plain gradient descent, one batch and one epoch, it is the change of the weights."""
    train = {"batch": 80, "epochs": 1, "lr": 0.1, "optimiser": "sgd", "momentum": 0.0}
    run = toy_run(tmp_path, **DEEP, modules={"credit": "local", "loss": "predsim"}, train=train)
    step = step_at(run, 0)
    [positions] = step.batches(80)
    given = step.credited(positions)
    for name, weight in Replay.of(run, run.lanes[0], 1).trained.items():
        moved = (step.replay.weights[name] - weight) / run.recipe.lr(0, 1)
        np.testing.assert_allclose(given[name], moved, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_gradients_by_the_own_and_the_next_loss_are_those_of_plain_autograd(tmp_path, mu):
    """With `pred`: the mean loss of a module's head, of the next one's head, and at last L_λ."""
    run = toy_run(tmp_path, **DEEP, modules={"credit": "local", "mu": mu})
    step = step_at(run, 4)
    [positions, *_] = step.batches(16)
    replay, part = step.replay, step.replay.session.data.part("train")
    state = {name: weight.clone()[None] for name, weight in replay.weights.items()}
    for name in replay.trained:
        state[name].requires_grad_()
    setting = step.network.setting
    h, losses = part.x[positions][None], []
    auxiliaries = {name: tensor[None] for name, tensor in step.auxiliaries.items()}
    for module in setting.modules[:-1]:
        h = setting.run(state, module, h)
        prefix = module.prefix
        weight, bias = (
            next(t for n, t in auxiliaries.items() if n.startswith(prefix) and n.endswith(end))
            for end in ("weight", "bias")
        )
        logits = torch.einsum("lmbd,lmkd->lmbk", h, weight) + bias[:, :, None]
        log_q = torch.log_softmax(logits[0], -1)
        losses.append(-log_q[:, range(16), part.y[positions]].mean())
    raw = setting.run(state, setting.modules[-1], h)[0]
    losses.append(replay.loss_of(raw.transpose(1, 2), part.y[positions]))
    own, following = step.by_own_loss(positions), step.by_next_loss(positions)
    for i, names in enumerate(step.modules.values()):
        tensors = [state[name] for name in names]
        for computed, loss in ((own, losses[i]), (following, losses[min(i + 1, 2)])):
            expected = torch.autograd.grad(loss, tensors, retain_graph=True)
            for name, gradient in zip(names, expected, strict=True):
                torch.testing.assert_close(computed[name], gradient[0], rtol=1e-9, atol=1e-14)
