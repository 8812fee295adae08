"""Auxiliary variables against their energy, backpropagation and networks in a loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag.engine.loss import joint_loss
from jtdiag.engine.modules.contract import StepGradients
from jtdiag.engine.modules.own_losses import OwnLosses
from jtdiag.engine.objectives import Classes
from jtdiag.errors import RecipeError
from jtdiag.families.categorical import Categorical

CODES = {"credit": "codes"}
TANH = {"arch": "mlp", "count": 3, "hidden": [7, 6, 5], "activation": "tanh"}
PLAIN = {"arch": "mlp", "count": 3, "hidden": [7, 6, 5]}
CONV = {"arch": "conv", "count": 2, "filters": [3, 4], "strides": [1, 2], "norm": "batch"}


def energies(credited):
    """Return the energy (L, M) before and after the codes are moved."""
    ratios = (credited.measured[name] for name in ("energy_before", "energy"))
    return [(ratio.numerator / ratio.denominator).sum(-1) for ratio in ratios]


# --- the energy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [{}, CONV], ids=["mlp", "conv"])
def test_the_energy_at_the_outputs_of_the_modules_is_the_loss(group_of, first_step, members):
    group = group_of(CODES, lam=[0.0, 0.9], **({"members": members} if members else {}))
    batch, credited = first_step(group)
    before, _ = energies(credited)
    lam = torch.tensor([0.0, 0.9], dtype=torch.float64)
    loss = joint_loss(credited.logits.transpose(2, 3), batch.target, lam)
    torch.testing.assert_close(before.mean(1), loss, atol=1e-12, rtol=0)
    hidden = credited.measured["energy_before"].numerator[..., :-1]
    assert (hidden == 0).all()


class Recording:
    """In place of a credit: keeps the energies of all steps."""

    def __init__(self, credit):
        self.credit, self.energies = credit, []

    def __getattr__(self, name):
        return getattr(self.credit, name)

    def step(self, batch):
        credited = self.credit.step(batch)
        self.energies.append(energies(credited))
        return credited


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("code_step", [0.1, 5.0])
def test_the_energy_rises_in_no_batch(group_of, code_step, precision):
    group = group_of(
        {**CODES, "code_step": code_step, "sweeps": 6}, engine={"precision": precision}
    )
    recording = Recording(group._modules.network.credit)
    object.__setattr__(group._modules.network, "credit", recording)
    for epoch in (1, 2):
        group.train_epoch(epoch)
    assert len(recording.energies) == 8
    for before, after in recording.energies:
        assert (after <= before).all()
        assert (after < 0.999 * before).any()


@pytest.mark.slow
def test_gradients_approach_backpropagation_like_one_over_rho(group_of, first_step):
    changes = {"lam": [0.5], "members": TANH}
    _, whole = first_step(group_of({"watch": True}, **changes))
    rhos, differences = [10.0, 1e2, 1e3, 1e4], []
    for rho in rhos:
        modules = {**CODES, "rho": rho, "sweeps": 400, "code_step": 0.3 / rho}
        _, credited = first_step(group_of(modules, **changes))
        pairs = [(g, whole.gradients[name]) for name, g in credited.gradients.items()]
        error = sum((a - b).square().sum() for a, b in pairs)
        differences.append(float((error / sum(b.square().sum() for _, b in pairs)).sqrt()))
    slopes = np.diff(np.log(differences)) / np.diff(np.log(rhos))
    np.testing.assert_allclose(slopes, -1, atol=0.05)


# --- a step --------------------------------------------------------------------------------------


def moved_codes(z, f, loss, *, rho, step, sweeps):
    """Return codes after sweeps from the last to the first down the energy of one member.

    The gradient of a code comes from autograd of the whole energy; only codes above it have moved,
    and they are where the sweep has put them.
    """
    for _ in range(sweeps):
        for i in reversed(range(1, len(z))):
            leaf = z[i].detach().requires_grad_()
            codes = [*z[:i], leaf, *z[i + 1 :]]
            pairs = zip(codes[1:], f, codes[:-1], strict=False)
            energy = loss(f[-1](codes[-1]))
            energy = energy + rho / 2 * sum((c - part(b)).square().sum() for c, part, b in pairs)
            [gradient] = torch.autograd.grad(energy, leaf)
            z[i] = (leaf - step * gradient).detach()
    return z


def test_a_step_is_that_of_networks_in_a_loop(group_of, first_step):
    """Every member by itself, with losses that are sums over the examples."""
    modules = {**CODES, "rho": 1.5, "sweeps": 4, "code_step": 0.05}
    batch, credited = first_step(group_of(modules, lam=[0.0], members=PLAIN))
    scale = batch.x.shape[1] * 3
    for j in range(3):
        w = {n: t[0, j].detach().clone().requires_grad_() for n, t in batch.state.items()}

        def layer(i, h, w=w):
            out = functional.linear(h, w[f"layer{i}.weight"], w[f"layer{i}.bias"])
            return out if i == 4 else out.relu()

        def loss(out):
            return functional.cross_entropy(out, batch.target[0], reduction="sum")

        f = [lambda h, i=i, layer=layer: layer(i, h) for i in (1, 2, 3, 4)]
        z = [batch.x[0].flatten(1)]
        for part in f[:-1]:
            z.append(part(z[-1]).detach())
        z = moved_codes(z, f, loss, rho=1.5, step=0.05, sweeps=4)
        pairs = zip(z[1:], f, z[:-1], strict=False)
        energy = loss(f[-1](z[-1]))
        energy = energy + 1.5 / 2 * sum((c - part(b)).square().sum() for c, part, b in pairs)
        (energy / scale).backward()
        for name, gradient in credited.gradients.items():
            torch.testing.assert_close(gradient[0, j], w[name].grad, atol=1e-12, rtol=1e-10)
        _, after = energies(credited)
        torch.testing.assert_close(
            after[0, j], (energy / batch.x.shape[1]).detach(), atol=1e-12, rtol=0
        )


def test_steps_are_halved_only_for_members_whose_energy_rises(group_of, first_step):
    modules = {**CODES, "sweeps": 1, "code_step": 0.4}
    group = group_of(modules, lam=[0.0], members=PLAIN)
    head = group._state["layer4.weight"]
    head.data[:, 0] *= 30  # the energy of this member is steep
    _, credited = first_step(group)
    point = credited.measured["energy"].numerator
    smaller = group_of({**modules, "code_step": 0.2}, lam=[0.0], members=PLAIN)
    smaller._state["layer4.weight"].data.copy_(head.data)
    _, other = first_step(smaller)
    same = (point == other.measured["energy"].numerator).all(-1)[0]
    assert same.tolist() == [True, False, False]


def test_running_statistics_are_updated_once_in_a_step(group_of, first_step):
    groups = [group_of(CODES), group_of()]
    first_step(groups[0])
    groups[1].try_step(groups[1]._forward.plan)
    for name, tensor in groups[1].buffers.items():
        torch.testing.assert_close(groups[0].buffers[name], tensor)


@pytest.mark.parametrize("execution", ["loop", "vmap"])
def test_every_execution_takes_the_same_step(group_of, execution):
    groups = [group_of(CODES), group_of(CODES)]
    plan = groups[1]._forward.plan
    groups[1]._forward.plan = replace(plan, execution=execution)
    for group in groups:
        group.train_epoch(1)
    for name, tensor in groups[0]._state.items():
        torch.testing.assert_close(groups[1]._state[name], tensor, atol=1e-11, rtol=1e-8)


# --- losses of members whose outputs change ------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_the_loss_of_a_member_is_that_of_the_ensemble_as_its_outputs_change(lam):
    random = np.random.default_rng(0)
    forward, changed = (torch.from_numpy(random.normal(size=(1, 3, 4, 6))) for _ in range(2))
    target = torch.from_numpy(random.integers(0, 4, (1, 6)))
    losses = StepGradients(
        objective=Classes(family=Categorical()),
        target=target,
        lam_L=torch.tensor([lam], dtype=torch.float64),
        local_lam_L=torch.zeros(1),
        shares=(None, None),
        members=3,
    )

    def of_all(logits):
        return joint_loss(logits.transpose(2, 3), target, lam)

    own = OwnLosses(losses, forward)
    at_forward, _ = own(forward)
    torch.testing.assert_close(at_forward.mean(1), of_all(forward), atol=1e-12, rtol=0)
    value, gradient = own(changed)
    for j in range(3):
        leaf = forward.clone()
        leaf[:, j] = changed[:, j]
        leaf.requires_grad_()
        total = of_all(leaf)
        difference = 3 * (total - of_all(forward))
        torch.testing.assert_close(
            value[:, j] - at_forward[:, j], difference.detach(), atol=1e-12, rtol=0
        )
        expected = torch.autograd.grad(total.sum(), leaf)[0][:, j] * 3 * 6
        torch.testing.assert_close(gradient[:, j], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("objective", "advice"),
    [({"drop": 0.5}, "objective has drop; omit it"), ({"loss": "gncl-exact"}, "'gncl-exact'")],
)
def test_objectives_without_a_value_of_eq_4_are_refused(group_of, objective, advice):
    with pytest.raises(RecipeError, match=advice):
        group_of(CODES, objective=objective, lam=[0.5])
