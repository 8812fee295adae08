"""Credits against backpropagation, each other, and members trained one by one."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag.engine.modules import local_credit

MLP = {"arch": "mlp", "count": 3, "hidden": [7, 6, 5], "norm": "batch"}
LOSSES = ("pred", "sim", "predsim", "infopro", "contrast")
OTHERS = [
    {"credit": "synthetic"},
    {"credit": "synthetic", "mu": 0.5, "warmup": 1, "head_layers": 1},
    {"credit": "targets"},
    {"credit": "codes"},
    {"credit": "codes", "code_step": 3.0, "rho": 2.0, "sweeps": 3},
    {"credit": "targets", "first": "output", "inverse": "fixed"},
]
"""Credits without losses to choose from."""
ARCHITECTURES = {
    "mlp": {**MLP, "norm": "none"},
    "mlp with norm": MLP,
    "conv": {"arch": "conv", "count": 2, "filters": [3, 4], "strides": [1, 2], "norm": "batch"},
    "densenet": {"arch": "densenet", "count": 2, "depth": 16, "growth": 2},
}


def trained(group, epochs=2):
    for epoch in range(1, epochs + 1):
        group.train_epoch(epoch)
    return {name: tensor.detach().clone() for name, tensor in group._state.items()}


def gradients(group, mu=0.0):
    """Return the gradients of the first training step, without taking it."""
    group._mu = mu
    group._optimiser = Spy()
    group.try_step(group._forward.plan)
    return group._optimiser.gradients


class Spy:
    """In place of an optimizer: keeps the gradients."""

    def step(self, weights, memory, gradients, lr):
        self.gradients = gradients


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


# --- end to end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ["stacked", "vmap", "loop"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.slow
def test_watching_changes_no_weight(group_of, arch, execution):
    changes = {
        "members": ARCHITECTURES[arch],
        "engine": {"execution": execution},
        "train": {"clip": 0.1, "epochs": 5},
    }
    whole, watched = group_of(**changes), group_of({"watch": True}, **changes)
    for group in (whole, watched):
        group._forward.plan = type(group._forward.plan)(execution=execution)
    assert_equal(trained(whole, 5), trained(watched, 5))  # 20 steps


def test_the_fields_of_modules_alone_change_nothing(group_of):
    assert_equal(trained(group_of()), trained(group_of({"cuts": [1]})))


@pytest.mark.parametrize("arch", ["mlp with norm", "conv"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.slow
def test_mu_1_and_the_largest_reach_are_end_to_end(group_of, arch, loss):
    members = ARCHITECTURES[arch]
    whole = trained(group_of(members=members))
    count = len(members.get("hidden", members.get("filters"))) + 1
    assert_equal(
        whole, trained(group_of({"credit": "local", "loss": loss, "mu": 1.0}, members=members))
    )
    assert_equal(
        whole, trained(group_of({"credit": "local", "loss": loss, "reach": count}, members=members))
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_reach_1_is_mu_0(group_of, loss):
    local = trained(group_of({"credit": "local", "loss": loss}))
    assert_equal(local, trained(group_of({"credit": "local", "loss": loss, "reach": 1})))


@pytest.mark.parametrize("loss", LOSSES)
def test_modules_one_by_one_learn_what_they_learn_together(group_of, monkeypatch, loss):
    modules = {"credit": "local", "loss": loss}
    together = group_of(modules)
    rows = together.train_epoch(1)
    monkeypatch.setattr(local_credit, "TOGETHER", 0)
    one_by_one = group_of(modules)
    for name, values in one_by_one.train_epoch(1).items():
        np.testing.assert_array_equal(values, rows[name])
    assert_equal(together._trained, one_by_one._trained)


def test_heads_that_watch_learn_as_those_of_local_training(group_of):
    changes = {"lam": [0.0, 0.9], "scheme": "joint"}
    local = gradients(group_of({"credit": "local"}, **changes))
    for credit in ("end-to-end", "frozen"):
        watching = gradients(group_of({"credit": credit, "watch": True}, **changes))
        heads = [name for name in watching if name.startswith("auxiliary/")]
        assert len(heads) == 6
        for name in heads:
            torch.testing.assert_close(watching[name], local[name], atol=1e-15, rtol=1e-12)


# --- between -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["pred", "predsim"])
def test_mu_is_the_geometric_average_over_the_reaches(group_of, loss):
    mu, count = 0.7, 4
    mixed = gradients(group_of({"credit": "local", "loss": loss, "mu": mu}), mu)
    by_reach = [
        gradients(group_of({"credit": "local", "loss": loss, "reach": n})) for n in range(1, 5)
    ]
    for index, layer in enumerate(("layer1", "layer2", "layer3")):
        ahead = count - 1 - index  # K − l
        expected = sum(
            (1 - mu) * mu ** (n - 1) * by_reach[n - 1][f"{layer}.weight"]
            for n in range(1, ahead + 1)
        )
        expected = expected + mu**ahead * by_reach[-1][f"{layer}.weight"]
        torch.testing.assert_close(mixed[f"{layer}.weight"], expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("mu", [0.3, 1.0])
def test_local_heads_learn_from_their_own_loss_alone(group_of, mu):
    local = gradients(group_of({"credit": "local"}))
    mixed = gradients(group_of({"credit": "local", "mu": mu}), mu)
    for name in local:
        if name.startswith(("auxiliary/", "layer4")):
            assert torch.equal(local[name], mixed[name]), name


def test_mu_follows_its_schedule(group_of):
    step = {"credit": "local", "mu": 1.0, "mu_schedule": "step", "mu_epochs": 1}
    group, local = group_of(step), group_of({"credit": "local"})
    assert_equal(trained(group, 1), trained(local, 1))
    whole = group_of()
    for name, tensor in group._state.items():
        whole._state[name].data.copy_(tensor)
    for name, tensor in whole.memory.items():
        parts = [n for n in group.memory if n.endswith(f"/{name}") and "auxiliary" not in n]
        tensor.copy_(group.memory[parts[0]])
    group.train_epoch(2), whole.train_epoch(2)
    assert_equal(dict(group.weights), dict(whole.weights))


# --- local ---------------------------------------------------------------------------------------


def test_a_step_is_that_of_networks_in_a_loop(group_of):
    """Every member and module by itself, with detach and torch's cross-entropy."""
    group = group_of({"credit": "local"}, lam=[0.6])
    state = {name: tensor.detach().clone() for name, tensor in group._state.items()}
    auxiliaries = {n: t.detach().clone() for n, t in group._auxiliaries.items()}
    x, target = first_batch(group)
    computed = gradients(group)
    modules = [copy.deepcopy(group.stack.another(0)).double() for _ in range(3)]
    logits, own = [], []
    for j, module in enumerate(modules):
        module.load_state_dict({name: tensor[0, j] for name, tensor in state.items()})
        h = x[0]
        for layer, part in list(module.parts().items())[:-1]:
            h = part(h.detach())
            prefix = f"auxiliary/{layer}.classifier"
            local = (
                h @ auxiliaries[f"{prefix}.weight"][0, j].T + auxiliaries[f"{prefix}.bias"][0, j]
            )
            own.append(functional.cross_entropy(local, target[0]) / 3)
        logits.append(module.parts()["head"](h.detach()))
    stacked = torch.stack(logits)
    members = sum(functional.cross_entropy(out, target[0]) for out in logits) / 3
    ensemble = functional.cross_entropy(stacked.mean(0), target[0])
    (0.6 * ensemble + 0.4 * members + sum(own)).backward()
    for j, module in enumerate(modules):
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(computed[name][0, j], parameter.grad, atol=1e-12, rtol=1e-10)


def first_batch(group):
    ranks = group._ranks(1)[:, : group.recipe.train.batch]
    return group._batch(group._positions(ranks), "train")


def test_lambda_in_every_head_couples_the_local_heads(group_of):
    alone = gradients(group_of({"credit": "local"}, lam=[0.9]))
    coupled = gradients(group_of({"credit": "local", "lam": "every"}, lam=[0.9]))
    assert torch.equal(alone["layer4.weight"], coupled["layer4.weight"])  # the head's loss is L_λ
    independent = gradients(group_of({"credit": "local", "lam": "every"}, lam=[0.0]))
    for name in ("layer1.weight", "auxiliary/layer1.classifier.weight"):
        assert not torch.equal(alone[name], coupled[name])
        torch.testing.assert_close(alone[name], independent[name], atol=1e-15, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_nan_above_a_module_leaves_its_update_unchanged(group_of, loss):
    modules = {"credit": "local", "loss": loss}
    clean, spoiled = group_of(modules), group_of(modules)
    for name, tensor in {**spoiled._state, **spoiled._auxiliaries}.items():
        above = name.removeprefix("auxiliary/").startswith(
            ("layer2", "norm2", "layer3", "norm3", "layer4")
        )
        if above and tensor.is_floating_point():
            tensor.data.fill_(float("nan"))
    a, b = gradients(clean), gradients(spoiled)
    of_first = [n for n in a if n.removeprefix("auxiliary/").startswith(("layer1.", "norm1."))]
    assert len(of_first) >= 4
    for name in of_first:
        assert torch.equal(a[name], b[name]), name
    assert not torch.isfinite(b["layer2.weight"]).all()


def test_a_head_whose_prediction_has_no_weight_learns_from_detached_features(group_of):
    modules = {"credit": "local", "loss": "infopro", "reconstruction": [1, 1], "prediction": [1, 0]}
    local, watched = gradients(group_of(modules)), gradients(group_of({"watch": True}))
    name = "auxiliary/layer3.classifier.weight"  # that of the last local module
    assert torch.equal(local[name], watched[name])


@pytest.mark.parametrize("modules", [{"credit": "frozen", "watch": True}, {"credit": "frozen"}])
def test_frozen_modules_do_not_move(group_of, modules):
    group = group_of(modules, train={"weight_decay": 0.1})
    start = {name: tensor.detach().clone() for name, tensor in group._state.items()}
    after = trained(group)
    for name, tensor in after.items():
        moves = name.startswith("layer4") or "running" in name or "tracked" in name
        assert torch.equal(tensor, start[name]) is not moves, name


@pytest.mark.parametrize(
    "modules",
    [{"credit": "local", "loss": loss} for loss in LOSSES]
    + [{"credit": "local", "mu": 0.5}, {"credit": "local", "reach": 2}, {"credit": "frozen"}]
    + OTHERS,
)
@pytest.mark.slow
def test_at_lambda_0_members_are_runs_of_one_member(group_of, modules):
    every = group_of(modules, lam=[0.0], train={"momentum": 0.9, "lr": 0.3})
    one = group_of(
        modules, lam=[0.0], members={**MLP, "count": 1}, train={"momentum": 0.9, "lr": 0.1}
    )
    member = 1
    for source, target in ((every._state, one._state), (every._auxiliaries, one._auxiliaries)):
        for name, tensor in target.items():
            tensor.data.copy_(source[name][:, member : member + 1])
    of_all, of_one = trained(every), trained(one)
    for name in of_one:
        torch.testing.assert_close(
            of_all[name][:, member : member + 1], of_one[name], atol=1e-11, rtol=1e-9
        )


@pytest.mark.parametrize(
    "modules",
    [
        {"watch": True},
        {"credit": "local", "loss": "infopro"},
        {"credit": "local", "reach": 2},
        *OTHERS,
    ],
)
def test_members_chunk_by_chunk_are_all_members(group_of, modules):
    whole, chunked = group_of(modules), group_of(modules)
    chunked.micro_members = 2
    first, second = trained(whole), trained(chunked)
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize(
    "modules", [{"credit": "local", "loss": "predsim", "mu": 0.5}, *OTHERS], ids=str
)
def test_one_float32_step_is_that_of_float64_up_to_rounding(group_of, modules):
    double = gradients(group_of(modules), 0.5)
    single = gradients(group_of(modules, engine={"precision": "float32"}), 0.5)
    for name, gradient in single.items():
        torch.testing.assert_close(gradient.double(), double[name], atol=2e-5, rtol=2e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"lam": [0.2, 0.9]},
        {"lam": [0.0], "scheme": "bagging"},
        {"lam": [0.2, 0.9], "objective": {"drop": 0.3}},
    ],
)
@pytest.mark.parametrize("coupled", ["head", "every"])
def test_gradients_of_all_heads_are_those_of_each(group_of, first_step, changes, coupled):
    modules = {"credit": "local", "lam": coupled}
    batch, credited = first_step(group_of(modules, **changes))
    losses = batch.losses
    (of_members, *of_heads), found = losses.by_all_logits([credited.logits], credited.local_logits)
    assert torch.equal(of_members, losses.by_logits(credited.logits))
    for gradient, logits in zip(of_heads, credited.local_logits, strict=True):
        assert torch.equal(gradient, losses.by_local_logits(logits))
    if "objective" in changes:  # dropped members have shares, which local heads have not
        assert found is None
        return
    parts = [credited.logits, *credited.local_logits]
    for logits, members in zip(parts, found.members.chunk(4), strict=True):
        assert torch.equal(members, losses.objective.losses(logits, batch.target).members)


def test_a_module_without_reconstruction_has_no_decoder(group_of):
    auxiliaries = group_of({"credit": "local", "loss": "infopro"})._auxiliaries
    decoders = {name.split(".")[0] for name in auxiliaries if "decoder" in name}
    assert decoders == {"auxiliary/layer1", "auxiliary/layer2"}  # the last weight is 0


def test_what_is_clipped_separately_or_has_another_rate_is_a_group_of_its_own(group_of):
    def groups(modules, **changes):
        return [group.parameters for group in group_of(modules, **changes)._optimiser.groups]

    local = {"credit": "local"}
    [together] = groups(local)
    assert set(together) == set(group_of(local)._trained)
    with_rate = groups({**local, "auxiliary_rate": 2})
    assert [len(parameters) for parameters in with_rate] == [14, 6]
    assert len(groups(local, train={"clip": 1.0})) == 4 + 3
    assert len(groups({"credit": "proxy", "epochs": [1, 1, 1, 1]}, train={"epochs": 4})) == 4


# --- metrics and states --------------------------------------------------------------------------


def test_errors_by_module_are_those_of_the_local_heads(group_of):
    group = group_of({"credit": "local"})
    group.train_epoch(1)
    rows = group.measure("test").rows
    x, y = group.data.part("test").x, group.data.part("test").y
    logits, features, local = group._modules.evaluate(group._state, x.expand(2, *x.shape), "all")
    for index, head in enumerate(local):
        wrong = (head.argmax(2) != y).double().mean(-1)
        np.testing.assert_allclose(rows["module_error"][..., index], wrong, atol=1e-15)
        dead = (features[index] == 0).all(-1).double().mean(-1)
        np.testing.assert_allclose(rows["dead_rows"][..., index], dead, atol=1e-15)
    np.testing.assert_array_equal(rows["module_error"][..., -1], rows["member_error"])
    assert torch.equal(logits, group._logits(group._state, x.expand(2, *x.shape), training=False))


@pytest.mark.parametrize(
    "modules", [{"credit": "local", "loss": "predsim", "mu": 0.5}, *OTHERS], ids=str
)
def test_a_restored_group_continues_bit_for_bit(group_of, modules):
    whole, again = group_of(modules), group_of(modules)
    whole.train_epoch(1)
    states = []
    for lane in range(2):
        weights, memory = whole.snapshot(lane)
        states.append(
            {f"weight/{n}": t.numpy() for n, t in weights.items()}
            | {f"memory/{n}": t.numpy() for n, t in memory.items()}
        )
    again.restore(states)
    part = whole.of_lanes([1])
    for group in (whole, again, part):
        group.train_epoch(2)
    for tensors in ("_state", "_auxiliaries", "memory"):
        assert_equal(getattr(whole, tensors), getattr(again, tensors))
        for name, tensor in getattr(part, tensors).items():
            torch.testing.assert_close(
                tensor[0], getattr(whole, tensors)[name][1], atol=1e-12, rtol=1e-9
            )


def test_weights_and_batches_are_the_same_whatever_the_credit(group_of):
    first = group_of()
    for modules in ({"credit": "local", "loss": "contrast"}, {"credit": "frozen"}, *OTHERS):
        other = group_of(modules)
        assert_equal(first._state, other._state)
        assert torch.equal(first._order(3), other._order(3))


def test_rates_are_multiples_of_the_learning_rate(group_of):
    plain = group_of({"credit": "local"})
    rated = group_of({"credit": "local", "rates": [1, 1, 1, 5], "auxiliary_rate": 2})
    start = {n: t.detach().clone() for n, t in plain._trained.items()}
    for group in (plain, rated):
        group.try_step(group._forward.plan)  # a learning rate of 0
        one_step(group, 0.1)
    for name, tensor in rated._trained.items():
        factor = {"layer4": 5, "auxili": 2}.get(name[:6], 1)
        moved = (plain._trained[name] - start[name]) * factor
        torch.testing.assert_close(tensor - start[name], moved, atol=1e-12, rtol=1e-9)


def one_step(group, lr):
    """Train on the first batch."""
    ranks = group._ranks(1)[:, : group.recipe.train.batch]
    positions = group._positions(ranks)
    x, target = group._batch(positions, "train")
    rates = group._per_lane([lr, lr])
    group._step((1, 0), x, target, rates, group._running_means(), positions=positions)


def test_gradients_are_clipped_module_by_module(group_of):
    group = group_of({"credit": "local"}, train={"clip": 1e-3, "momentum": 0.0})
    start = {n: t.detach().clone() for n, t in group._trained.items()}
    one_step(group, 1.0)
    for module in group._modules.network.setting.modules:
        squares = sum(
            (group._trained[n] - start[n]).flatten(2).square().sum(-1) for n in module.parameters
        )
        np.testing.assert_allclose(squares.sqrt().detach(), 1e-3, rtol=1e-2)
