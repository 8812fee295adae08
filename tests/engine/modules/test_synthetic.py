"""Synthetic gradients against backpropagation, closed forms and least squares."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag.engine.modules.synthesisers import Synthesisers
from jtdiag.errors import RecipeError

SYNTHETIC = {"credit": "synthetic"}
CONV = {"arch": "conv", "count": 2, "filters": [3, 4], "strides": [1, 2], "norm": "batch"}
DENSENET = {"arch": "densenet", "count": 2, "depth": 16, "growth": 2}
PLAIN = {"arch": "mlp", "count": 3, "hidden": [7, 6, 5]}
CLASSES = 3


def trained(group, epochs=2):
    for epoch in range(1, epochs + 1):
        group.train_epoch(epoch)
    return {name: tensor.detach().clone() for name, tensor in group._state.items()}


@pytest.mark.parametrize("members", [{}, CONV, DENSENET], ids=["mlp", "conv", "densenet"])
@pytest.mark.slow
def test_with_the_true_gradient_training_is_end_to_end(group_of, members):
    changes = {"members": members} if members else {}
    expected = trained(group_of(**changes))
    for modules in ({"mu": 1.0}, {"mu": 1.0, "label": False}):
        actual = trained(group_of({**SYNTHETIC, **modules}, **changes))
        for name, tensor in expected.items():
            assert torch.equal(actual[name], tensor), name


def test_members_are_trained_end_to_end_during_the_warmup(group_of):
    group, whole = group_of({**SYNTHETIC, "warmup": 1}), group_of()
    started = {n: t.detach().clone() for n, t in group._auxiliaries.items()}
    expected = trained(whole, 1)
    for name, tensor in trained(group, 1).items():
        assert torch.equal(tensor, expected[name]), name
    assert all(not torch.equal(t, started[n]) for n, t in group._auxiliaries.items())
    group.train_epoch(2), whole.train_epoch(2)
    assert not torch.equal(group._state["layer1.weight"], whole._state["layer1.weight"])


def test_synthetic_gradients_are_zero_at_first(group_of, first_step):
    _, credited = first_step(group_of({**SYNTHETIC, "head_layers": 1}))
    for layer in ("layer1", "layer2", "layer3"):
        assert (credited.gradients[f"{layer}.weight"] == 0).all()
    assert (credited.gradients["layer4.weight"] != 0).any()


@pytest.mark.parametrize("mu", [0.0, 0.3])
def test_a_step_is_that_of_networks_in_a_loop(group_of, first_step, mu):
    """Every member by itself, with torch's own layers and losses."""
    group = group_of(SYNTHETIC, lam=[0.0], members=PLAIN)
    for name, tensor in group._auxiliaries.items():
        tensor.data.normal_(generator=torch.Generator().manual_seed(len(name)))
    batch, credited = first_step(group, mu)
    one_hot = functional.one_hot(batch.target[0], CLASSES).double()
    count, members = len(one_hot), 3
    for j in range(members):
        weights = {
            n: t[0, j].detach().clone().requires_grad_()
            for n, t in {**batch.state, **batch.auxiliaries}.items()
        }
        inputs, outputs, h = [], [], batch.x[0].flatten(1)
        for layer in range(1, 5):
            below = h.detach().requires_grad_()
            h = functional.linear(
                below, weights[f"layer{layer}.weight"], weights[f"layer{layer}.bias"]
            )
            h = h if layer == 4 else h.relu()
            inputs.append(below), outputs.append(h)
        loss = functional.cross_entropy(outputs[-1], batch.target[0], reduction="sum")
        followed = torch.autograd.grad(loss, outputs[-1])[0]  # of an example's loss
        for layer in (4, 3, 2, 1):
            outputs[layer - 1].backward(followed / (count * members), retain_graph=True)
            if layer == 1:
                break
            [returned] = torch.autograd.grad(outputs[layer - 1], inputs[layer - 1], followed)
            prefix = f"auxiliary/layer{layer - 1}.synthesiser"
            known = torch.cat([inputs[layer - 1].detach(), one_hot], 1)
            predicted = functional.linear(
                known, weights[f"{prefix}.weight"], weights[f"{prefix}.bias"]
            )
            ((predicted - returned).square().sum() / (count * members)).backward()
            followed = mu * returned + (1 - mu) * predicted.detach()
        for name, gradient in credited.gradients.items():
            torch.testing.assert_close(gradient[0, j], weights[name].grad, atol=1e-12, rtol=1e-10)


def test_a_gradient_means_the_same_at_every_batch_size(group_of, first_step):
    """Twice the same examples: what a synthesiser is to predict does not change."""
    group = group_of(SYNTHETIC, members=PLAIN)
    batch, credited = first_step(group, 1.0)
    twice = replace(
        batch,
        x=torch.cat([batch.x, batch.x], 1),
        target=torch.cat([batch.target, batch.target], 1),
        losses=replace(batch.losses, target=torch.cat([batch.target, batch.target], 1)),
    )
    again = group._modules.step(twice)
    for name, gradient in credited.gradients.items():
        torch.testing.assert_close(again.gradients[name], gradient, atol=1e-14, rtol=1e-10)


def test_least_squares_on_features_and_labels_is_exact_for_a_linear_quadratic_top(
    tmp_path, of_images, group_of, first_step
):
    """The gradient of ½|W h + b − y|² is W'W h − W'y + W'b."""
    random = np.random.default_rng(1)
    arrays = {}
    for part, count in (("train", 48), ("test", 8)):
        arrays[f"x_{part}"] = random.normal(size=(count, 6))
        arrays[f"y_{part}"] = random.normal(size=(count, 2))
    np.savez(tmp_path / "numbers.npz", **arrays)
    group = group_of(
        SYNTHETIC,
        lam=[0.0],
        family="gaussian",
        data={"name": str(tmp_path / "numbers.npz"), "val": 0},
        members={"arch": "mlp", "count": 2, "hidden": [4], "activation": "tanh"},
        train={"batch": 48},
    )
    batch, _ = first_step(group, 1.0)
    head = {name: group._state[f"layer2.{name}"][0].detach() for name in ("weight", "bias")}
    prefix = "auxiliary/layer1.synthesiser"
    exact = {
        f"{prefix}.weight": torch.cat([head["weight"].mT @ head["weight"], -head["weight"].mT], -1),
        f"{prefix}.bias": (head["weight"].mT @ head["bias"].unsqueeze(-1)).squeeze(-1),
    }
    for name, value in exact.items():
        group._auxiliaries[name].data.copy_(value[None])
    _, credited = first_step(group)
    ratio = credited.measured["synthetic_r2"]
    r2 = (ratio.numerator / ratio.denominator)[..., 0]
    torch.testing.assert_close(r2, torch.ones_like(r2), atol=1e-10, rtol=0)
    # The same by least squares, from the gradients that the head returns.
    features = credited.features[0][0]
    target = batch.target[0]
    for member in range(2):
        known = torch.cat([features[member], target, torch.ones(48, 1).double()], 1)
        outputs = features[member] @ head["weight"][member].T + head["bias"][member]
        returned = (outputs - target) @ head["weight"][member]
        solution = torch.linalg.lstsq(known, returned).solution.T
        value = torch.cat(
            [exact[f"{prefix}.weight"][member], exact[f"{prefix}.bias"][member].unsqueeze(-1)], 1
        )
        torch.testing.assert_close(solution, value, atol=1e-10, rtol=0)
        without = torch.cat([features[member], torch.ones(48, 1).double()], 1)
        rest = without @ torch.linalg.lstsq(without, returned).solution - returned
        assert rest.square().sum() > 0.02 * returned.square().sum()


def test_nan_above_a_module_leaves_its_update_unchanged(group_of, first_step):
    groups = [group_of(SYNTHETIC), group_of(SYNTHETIC)]
    for group in groups:
        for tensor in group._auxiliaries.values():
            tensor.data.normal_(generator=torch.Generator().manual_seed(0))
    for name, tensor in {**groups[1]._state, **groups[1]._auxiliaries}.items():
        above = name.removeprefix("auxiliary/")[:6] not in ("layer1", "norm1.")
        if above and tensor.is_floating_point():
            tensor.data.fill_(float("nan"))
    (_, clean), (_, spoiled) = (first_step(group) for group in groups)
    for name in ("layer1.weight", "layer1.bias", "norm1.weight"):
        assert (clean.gradients[name] != 0).any()
        assert torch.equal(clean.gradients[name], spoiled.gradients[name])


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("layers", [0, 1])
def test_synthesisers_of_maps_are_convolutions_of_features_and_label_planes(label, layers):
    part = Synthesisers("s", (4, 5, 5), CLASSES if label else 0, layers=layers)
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(2, 3, *p.shape, generator=generator).double()
        for name, p in part.parameters.items()
    }
    h = torch.randn(2, 3, 6, 4, 5, 5, generator=generator).double()
    labels = functional.one_hot(torch.arange(12).reshape(2, 6) % CLASSES, CLASSES).double()
    expected = h
    if label:
        planes = labels[:, None, :, :, None, None].expand(2, 3, 6, CLASSES, 5, 5)
        expected = torch.cat([h, planes], 3)
    for lane in range(2):
        for member in range(3):
            one = expected[lane, member]
            for i in range(layers + 1):
                weight, bias = state[f"s.{i}.weight"], state[f"s.{i}.bias"]
                one = one.relu() if i else one
                one = functional.conv2d(one, weight[lane, member], bias[lane, member], padding=1)
            torch.testing.assert_close(part(state, h, labels)[lane, member], one)


def test_a_synthesiser_that_learns_explains_more_and_more(group_of):
    group = group_of({**SYNTHETIC, "warmup": 39}, train={"lr": 0.05, "epochs": 40})
    first = group.train_epoch(1)["synthetic_r2"]
    for epoch in range(2, 30):
        group.train_epoch(epoch)
    last = group.train_epoch(30)["synthetic_r2"]
    assert (last[..., 2] > 0.1).all()
    assert (last[..., 2] > first[..., 2]).all()
    assert np.isnan(last[..., 3]).all()  # the head has no synthesiser


def test_a_warmup_without_an_end_is_refused(group_of):
    with pytest.raises(RecipeError, match=r"warmup is 2 and train.epochs is 2; .* be shorter"):
        group_of({**SYNTHETIC, "warmup": 2})
