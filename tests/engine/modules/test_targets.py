"""Difference target propagation against Gauss-Newton, backpropagation and networks in a loop."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.modules.noise import Noise
from jtdiag.engine.modules.targets_credit import handed_down
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.store import lanes

TARGETS = {"credit": "targets"}
TANH = {"arch": "mlp", "count": 3, "hidden": [7, 6, 5], "activation": "tanh"}
GENERATOR = np.random.default_rng(0)


def random(*shape):
    return torch.from_numpy(GENERATOR.normal(size=shape))


# --- what a target is ----------------------------------------------------------------------------


def linear(weight, bias):
    return lambda h: h @ weight.T + bias


def orthogonal(size):
    return torch.linalg.qr(random(size, size))[0]


def test_square_linear_layers_with_exact_inverses_have_the_targets_of_gauss_newton():
    weights, biases = [random(5, 5) for _ in range(4)], [random(5) for _ in range(4)]
    features = [random(8, 5)]
    for weight, bias in zip(weights, biases, strict=True):
        features.append(linear(weight, bias)(features[-1]))
    first = -0.5 * random(8, 5)  # −η times the gradient at the last features
    jacobian, change = torch.eye(5).double(), first
    for index in (3, 2, 1, 0):
        inverse_weight = torch.linalg.inv(weights[index])
        inverse = linear(inverse_weight, -inverse_weight @ biases[index])
        change = handed_down(inverse, features[index + 1], change)
        jacobian = jacobian @ weights[index]
        expected = torch.linalg.solve(jacobian, first.T).T
        torch.testing.assert_close(change, expected, atol=1e-10, rtol=1e-10)
        # One layer: t = h − η W⁻¹ ∂L/∂(W h).
        if index == 3:
            one = torch.linalg.solve(weights[3], first.T).T
            torch.testing.assert_close(change, one, atol=1e-12, rtol=1e-12)


def test_contracting_layers_with_pseudo_inverses_do_not_have_the_targets_of_gauss_newton():
    widths = (8, 7, 5, 3)
    weights = [random(b, a) for a, b in itertools.pairwise(widths)]
    features = [random(6, 8)]
    for weight in weights:
        features.append(features[-1] @ weight.T)
    first = change = -0.5 * random(6, 3)
    for index in (2, 1, 0):
        inverse = linear(torch.linalg.pinv(weights[index]), torch.zeros(1).double())
        change = handed_down(inverse, features[index + 1], change)
    product = weights[2] @ weights[1] @ weights[0]
    expected = first @ torch.linalg.pinv(product).T
    torch.testing.assert_close(change @ product.T, first)  # both reach the same outputs
    torch.testing.assert_close(expected @ product.T, first)
    difference = torch.linalg.norm(change - expected) / torch.linalg.norm(expected)
    assert difference > 0.1


@pytest.fixture
def linear_group(of_images):
    """Members of square linear layers with weights W, their inverses given by a function of W."""

    def make(modules, weight_of, inverse_of):
        def factory():
            return nn.Sequential(
                nn.Flatten(), nn.Linear(192, 5), nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
            )

        members = {"arch": "module", "count": 2, "factory": "linear:make"}
        session = Session.of(of_images(members=members, modules=modules), factory=factory)
        group = LaneGroup(
            session.recipe, lanes.lanes_of(session.recipe), session.data, session.stack,
            session.device,
        )  # fmt: skip
        for name in ("2", "3"):
            weight = weight_of()
            group._state[f"{name}.weight"].data.copy_(weight)
            if f"auxiliary/{name}.inverse.weight" in group._auxiliaries:
                bias, inverse = group._state[f"{name}.bias"], inverse_of(weight)
                group._auxiliaries[f"auxiliary/{name}.inverse.weight"].data.copy_(inverse)
                group._auxiliaries[f"auxiliary/{name}.inverse.bias"].data.copy_(-bias @ inverse.T)
        return group

    return make


def test_with_orthogonal_layers_and_exact_inverses_training_is_end_to_end(linear_group, first_step):
    made = [orthogonal(5), orthogonal(5)]
    steps = []
    for modules in (TARGETS, {"watch": True}):
        weights = iter(made)
        group = linear_group(modules, lambda weights=weights: next(weights), lambda w: w.T)
        steps.append(first_step(group)[1])
    assert len([n for n in steps[0].gradients if "auxiliary" not in n]) == 8
    for name, gradient in steps[0].gradients.items():
        if "auxiliary" not in name:
            torch.testing.assert_close(gradient, steps[1].gradients[name], atol=1e-12, rtol=1e-12)
    ratio = steps[0].measured["inverse_error"]
    error = (ratio.numerator / ratio.denominator)[..., 1:3]
    torch.testing.assert_close(error, torch.zeros_like(error), atol=1e-12, rtol=0)


# --- a step --------------------------------------------------------------------------------------


class Loop:
    """One member by itself, with torch's own layers; its losses are sums over examples."""

    def __init__(self, batch, member):
        tensors = {**batch.state, **batch.auxiliaries}
        self.weights = {
            n: t[0, member].detach().clone().requires_grad_() for n, t in tensors.items()
        }

    def layer(self, i, h):
        out = functional.linear(h, self.weights[f"layer{i}.weight"], self.weights[f"layer{i}.bias"])
        return out if i == 4 else out.tanh()

    def back(self, i, h):
        prefix = f"auxiliary/{'head' if i == 4 else f'layer{i}'}.inverse"
        return functional.linear(
            h, self.weights[f"{prefix}.weight"], self.weights[f"{prefix}.bias"]
        ).tanh()

    def features(self, x):
        h = {0: x}
        for i in (1, 2, 3):
            h[i] = self.layer(i, h[i - 1]).detach()
        return h

    def targets(self, h, first, target, step, scale):
        """Return the targets of layers, and let the head descend its loss."""
        top = h[3].clone().requires_grad_()
        out = self.layer(4, top)
        loss = functional.cross_entropy(out, target, reduction="sum")
        (loss / scale).backward(retain_graph=True)
        by_out, by_top = torch.autograd.grad(loss, [out, top])
        targets = {3: h[3] - step * by_top}
        if first == "output":
            targets[3] = h[3] + self.back(4, out - step * by_out) - self.back(4, out)
        for i in (3, 2):
            targets[i - 1] = h[i - 1] + self.back(i, targets[i]) - self.back(i, h[i])
        return {i: t.detach() for i, t in targets.items()}


@pytest.mark.parametrize("first", ["hidden", "output"])
@pytest.mark.parametrize("inverse", ["learned", "fixed"])
def test_a_step_is_that_of_networks_in_a_loop(group_of, first_step, first, inverse):
    modules = {**TARGETS, "first": first, "inverse": inverse, "step": 0.7}
    batch, credited = first_step(group_of(modules, lam=[0.0], members=TANH))
    scale = batch.x.shape[1] * 3
    learned = {"fixed": (), "learned": (2, 3, 4) if first == "output" else (2, 3)}[inverse]
    for j in range(3):
        loop = Loop(batch, j)
        h = loop.features(batch.x[0].flatten(1))
        targets = loop.targets(h, first, batch.target[0], 0.7, scale)
        for i in (1, 2, 3):
            ((loop.layer(i, h[i - 1]) - targets[i]).square().sum() / scale).backward()
        for i in learned:
            noisy = h[i - 1] + 0.1 * batch.noise.normal(i - 1, credited.features[i - 2])[0, 0]
            error = loop.back(i, loop.layer(i, noisy).detach()) - noisy
            (error.square().sum() / scale).backward()
        for name, gradient in credited.gradients.items():
            torch.testing.assert_close(
                gradient[0, j], loop.weights[name].grad, atol=1e-12, rtol=1e-10
            )
    assert len(credited.gradients) == 8 + 2 * len(learned)


def test_a_target_means_the_same_at_every_batch_size(group_of, first_step):
    group = group_of({**TARGETS, "inverse": "fixed"}, members=TANH)
    batch, credited = first_step(group)
    target = torch.cat([batch.target, batch.target], 1)
    losses = replace(batch.losses, target=target)
    x = torch.cat([batch.x, batch.x], 1)
    again = group._modules.step(replace(batch, x=x, target=target, losses=losses))
    for name, gradient in credited.gradients.items():
        torch.testing.assert_close(again.gradients[name], gradient, atol=1e-14, rtol=1e-10)


def test_running_statistics_are_updated_once_in_a_step(group_of, first_step):
    groups = [group_of(TARGETS), group_of()]
    first_step(groups[0])
    groups[1].try_step(groups[1]._forward.plan)
    for name, tensor in groups[1].buffers.items():
        torch.testing.assert_close(groups[0].buffers[name], tensor)
        if name.endswith("tracked"):
            assert (tensor == 1).all()


@pytest.mark.slow
def test_an_inverse_that_learns_reconstructs_better_and_better(group_of):
    group = group_of(TARGETS, members=TANH, train={"lr": 0.05, "epochs": 40})
    rows = [group.train_epoch(epoch)["inverse_error"] for epoch in range(1, 41)]
    assert np.isnan(rows[0][..., [0, 3]]).all()  # neither the first module nor the head has one
    assert (rows[-1][..., 1:3] < 0.7 * rows[0][..., 1:3]).all()


def test_fixed_inverses_stay_as_they_were_drawn(group_of):
    group = group_of(
        {**TARGETS, "inverse": "fixed"}, members=TANH, train={"weight_decay": 0.1, "lr": 0.1}
    )
    start = {name: tensor.detach().clone() for name, tensor in group._auxiliaries.items()}
    group.train_epoch(1)
    assert start
    for name, tensor in group._auxiliaries.items():
        assert torch.equal(tensor, start[name])


# --- noise ---------------------------------------------------------------------------------------


def test_noise_is_the_same_for_every_lambda_of_a_trial_and_no_other_step():
    like = torch.zeros(3, 2, 100, 30, dtype=torch.float64)
    noise = Noise(seed=1, trials=[0, 1, 0], step=(2, 3))
    drawn = noise.normal(1, like)
    assert drawn.shape == (3, 1, 100, 30)
    assert drawn.dtype == torch.float64
    assert torch.equal(drawn[0], drawn[2])
    assert drawn.std() == pytest.approx(1, abs=0.03)
    others = [drawn[1], noise.normal(2, like)[0], replace(noise, step=(2, 4)).normal(1, like)[0]]
    assert all(not torch.equal(drawn[0], other) for other in others)
    assert torch.equal(drawn.float(), noise.normal(1, like.float()))


# --- refused -------------------------------------------------------------------------------------


def test_feature_maps_are_refused_where_they_would_need_an_inverse(group_of):
    members = {"arch": "conv", "count": 2, "filters": [3, 4], "strides": [1, 2]}
    with pytest.raises(RecipeError, match=r"conv1 returns \(3, 6, 6\) for an example; use"):
        group_of(TARGETS, members=members)
    group_of({**TARGETS, "cuts": "head"}, members=members).train_epoch(1)
