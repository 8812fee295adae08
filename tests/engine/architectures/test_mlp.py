import math

import numpy as np
import pytest
import torch
from torch import nn

from jtdiag.engine import architectures
from jtdiag.engine.architectures.mlp_stack import MLP
from jtdiag.recipe.recipe import Members

HIDDEN = [(), (5,), (6, 4), (7, 3, 5)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def networks(weights, lane):
    """One torch.nn.Sequential for each member of a lane, with the same weights."""
    layers = len(weights) // 2
    count = weights["layer1.weight"].shape[1]
    for member in range(count):
        parts = []
        for i in range(1, layers + 1):
            weight, bias = weights[f"layer{i}.weight"], weights[f"layer{i}.bias"]
            linear = nn.Linear(weight.shape[-1], weight.shape[-2], dtype=weight.dtype)
            with torch.no_grad():
                linear.weight.copy_(weight[lane, member])
                linear.bias.copy_(bias[lane, member])
            parts += [linear, nn.ReLU()]
        yield nn.Sequential(nn.Flatten(), *parts[:-1])


def two_lanes(stack, dtype=torch.float64):
    a, b = stack.initial(generator(1)), stack.initial(generator(2))
    return {name: torch.stack([a[name], b[name]]).to(dtype) for name in a}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("shape", [(6,), (2, 3, 3)])
def test_stacked_members_say_what_each_network_alone_would(hidden, shape):
    stack = MLP(3, shape, hidden, 4)
    weights = two_lanes(stack)
    x = torch.randn(2, 8, *shape, generator=generator(), dtype=torch.float64)
    logits = stack(weights, x)
    assert logits.shape == (2, 3, 4, 8)
    for lane in range(2):
        for member, network in enumerate(networks(weights, lane)):
            expected = network(x[lane]).T
            torch.testing.assert_close(logits[lane, member], expected, rtol=1e-13, atol=1e-14)


def test_stacked_members_in_single_precision():
    stack = MLP(3, (6,), (5,), 4)
    weights = two_lanes(stack, torch.float32)
    x = torch.randn(2, 8, 6, generator=generator())
    logits = stack(weights, x)
    assert logits.dtype == torch.float32
    for lane in range(2):
        for member, network in enumerate(networks(weights, lane)):
            torch.testing.assert_close(logits[lane, member], network(x[lane]).T)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_gradient_of_the_stack_is_each_networks_own(hidden):
    stack = MLP(3, (6,), hidden, 4)
    weights = {name: weight.requires_grad_() for name, weight in two_lanes(stack).items()}
    x = torch.randn(2, 8, 6, generator=generator(), dtype=torch.float64)
    by_logits = torch.randn(2, 3, 4, 8, generator=generator(3), dtype=torch.float64)
    gradients = torch.autograd.grad(stack(weights, x), list(weights.values()), by_logits)
    for lane in range(2):
        for member, network in enumerate(networks(weights, lane)):
            expected = torch.autograd.grad(
                network(x[lane]), list(network.parameters()), by_logits[lane, member].T
            )
            for gradient, expected_gradient in zip(gradients, expected, strict=True):
                torch.testing.assert_close(
                    gradient[lane, member], expected_gradient, rtol=1e-12, atol=1e-13
                )


def test_parameters_are_named_and_shaped_as_torchs():
    parameters = MLP(3, (2, 5), (7, 4), 6).parameters
    assert {name: (p.shape, p.dims) for name, p in parameters.items()} == {
        "layer1.weight": ((7, 10), ("unit1", "input")),
        "layer1.bias": ((7,), ("unit1",)),
        "layer2.weight": ((4, 7), ("unit2", "unit1")),
        "layer2.bias": ((4,), ("unit2",)),
        "layer3.weight": ((6, 4), ("output", "unit2")),
        "layer3.bias": ((6,), ("output",)),
    }
    linear = MLP(3, (2, 5), (), 6).parameters
    assert [(p.shape, p.dims) for p in linear.values()] == [
        ((6, 10), ("output", "input")),
        ((6,), ("output",)),
    ]


def test_initial_weights_fill_the_interval_that_torch_fills():
    stack = MLP(50, (4, 4), (9, 25), 3)
    weights = stack.initial(generator())
    assert {n: tuple(w.shape) for n, w in weights.items()} == {
        n: (50, *p.shape) for n, p in stack.parameters.items()
    }
    for name, weight in weights.items():
        fan_in = {"1": 16, "2": 9, "3": 25}[name[5]]
        bound = 1 / math.sqrt(fan_in)
        assert weight.abs().max() <= bound
        # n draws from a uniform distribution: its ends, mean and spread within 4.5 deviations.
        n = weight.numel()
        assert weight.max() > bound * (1 - 20 / n)
        assert weight.min() < -bound * (1 - 20 / n)
        assert abs(weight.mean()) < 4.5 * bound / math.sqrt(3 * n)
        assert weight.var() == pytest.approx(bound**2 / 3, rel=4.5 * math.sqrt(0.8 / n))


def test_torch_draws_from_the_same_interval():
    """The oracle of the test before this one: what torch.nn.Linear itself does."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(9, 25) for _ in range(200)]
    for drawn in (torch.stack([x.weight for x in layers]), torch.stack([x.bias for x in layers])):
        assert drawn.abs().max().item() == pytest.approx(1 / 3, rel=1e-2)
        assert drawn.abs().max() <= 1 / 3


def test_initial_weights_depend_on_their_generator_alone():
    stack = MLP(3, (6,), (5,), 4)
    before = torch.get_rng_state()
    a, b, c = stack.initial(generator(1)), stack.initial(generator(1)), stack.initial(generator(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert all(not torch.equal(a[name], c[name]) for name in a)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_two_members_start_alike():
    weights = MLP(20, (6,), (5,), 4).initial(generator())
    for weight in weights.values():
        assert len(np.unique(weight.flatten(1).numpy(), axis=0)) == 20


def test_a_recipe_describes_the_stack():
    stack = architectures.build(Members(arch="mlp", count=3, hidden=(7, 4)), (2, 5), 6)
    assert stack.parameters == MLP(3, (2, 5), (7, 4), 6).parameters
    assert stack.initial(generator())["layer1.weight"].shape == (3, 7, 10)
