"""BatchNorm and tanh in perceptrons and ConvNets, against torch's modules one by one."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from jtdiag import Run, train
from jtdiag.engine.architectures.conv_stack import ConvStack
from jtdiag.engine.architectures.mlp_stack import MLP
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.recipe.toml import from_table, to_table, to_toml

LANES, MEMBERS, BATCH, OUTPUTS = 2, 3, 8, 4
STACKS = {
    "mlp": lambda: MLP(MEMBERS, (6,), (5, 7), OUTPUTS, norm=True),
    "mlp, tanh": lambda: MLP(MEMBERS, (6,), (5, 7), OUTPUTS, activation="tanh"),
    "mlp, norm and tanh": lambda: MLP(MEMBERS, (6,), (5,), OUTPUTS, norm=True, activation="tanh"),
    "conv": lambda: ConvStack(MEMBERS, 1, (3, 4), (1, 2), OUTPUTS, norm=True),
}
SHAPES = {"conv": (1, 9, 8)}


def random(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def beginning(stack):
    """Initial states of two lanes, in which scale and shift are not those of the beginning."""
    drawn = [stack.initial(torch.Generator().manual_seed(lane)) for lane in range(LANES)]
    state = {name: torch.stack([lane[name] for lane in drawn]) for name in drawn[0]}
    for seed, name in enumerate(state):
        if "norm" in name and name in stack.parameters:
            state[name] = state[name] + 0.3 * random(seed, *state[name].shape)
    return state


def written_out(name):
    """One member as a plain torch.nn.Sequential, whose parameters come in the same order."""
    normed, activation = name != "mlp, tanh", nn.Tanh if "tanh" in name else nn.ReLU
    if name == "conv":
        layers = [nn.Conv2d(1, 3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()]
        layers += [nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, OUTPUTS))
    widths = [6, 5] if name == "mlp, norm and tanh" else [6, 5, 7]
    layers = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), *[nn.BatchNorm1d(after)] * normed, activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], OUTPUTS))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("execution", ["stacked", "loop", "vmap"])
@pytest.mark.parametrize("name", STACKS)
def test_members_are_the_networks_written_out(name, execution, training):
    stack = STACKS[name]()
    stack.execution = execution
    state = beginning(stack)
    buffers = {key: state[key].clone() for key in stack.buffers}
    weights = {key: state[key].requires_grad_() for key in stack.parameters}
    x = random(7, LANES, BATCH, *SHAPES.get(name, (6,)))
    logits = stack({**weights, **buffers}, x, training=training)
    by_logits = random(8, *logits.shape)
    gradients = torch.autograd.grad(logits, list(weights.values()), by_logits)
    for lane in range(LANES):
        for member in range(MEMBERS):
            network = written_out(name).double().train(training)
            with torch.no_grad():
                for parameter, weight in zip(network.parameters(), weights.values(), strict=True):
                    parameter.copy_(weight[lane, member])
            expected = network(x[lane])
            torch.testing.assert_close(logits[lane, member], expected.T, rtol=1e-11, atol=1e-12)
            own = torch.autograd.grad(
                expected, list(network.parameters()), by_logits[lane, member].T
            )
            for gradient, expected_gradient in zip(gradients, own, strict=True):
                torch.testing.assert_close(
                    gradient[lane, member], expected_gradient, rtol=1e-10, atol=1e-11
                )
            for buffer, expected_buffer in zip(buffers.values(), network.buffers(), strict=True):
                torch.testing.assert_close(buffer[lane, member], expected_buffer)


def test_the_weights_begin_the_same_with_and_without_batch_norm():
    plain = MLP(MEMBERS, (6,), (5, 7), OUTPUTS).initial(torch.Generator().manual_seed(0))
    normed = MLP(MEMBERS, (6,), (5, 7), OUTPUTS, norm=True)
    state = normed.initial(torch.Generator().manual_seed(0))
    assert all(torch.equal(state[name], weight) for name, weight in plain.items())
    assert set(state) == set(normed.parameters) | set(normed.buffers)
    assert {n: tuple(t.shape[1:]) for n, t in state.items() if "norm1" in n} == {
        "norm1.weight": (5,),
        "norm1.bias": (5,),
        "norm1.running_mean": (5,),
        "norm1.running_var": (5,),
        "norm1.num_batches_tracked": (),
    }
    assert normed.buffers["norm2.running_var"].dims == ("unit2",)
    assert state["norm1.num_batches_tracked"].dtype == torch.int64


def recipe(**members):
    return from_table(
        {
            "name": "small",
            "lam": [0, 1],
            "data": {"name": "digits"},
            "members": {"arch": "mlp", "count": 2, "hidden": [8], **members},
            "train": {"epochs": 1, "batch": 50, "lr": 0.1},
            "engine": {"device": "cpu", "threads": 1, "precision": "float64"},
        }
    )


def test_a_run_keeps_the_running_statistics(tmp_path):
    train(recipe(norm="batch", activation="tanh"), tmp_path / "run")
    run = Run(tmp_path / "run")
    checkpoint = run.checkpoint(run.lanes[0], 1)
    assert checkpoint["norm1.running_mean"].shape == (2, 8)
    assert np.abs(checkpoint["norm1.running_mean"]).max() > 0
    assert checkpoint["norm1.num_batches_tracked"].tolist() == [26, 26]
    assert run.parameters["norm1.weight"] == (8,)


def test_fields_at_their_defaults_are_not_written():
    text = to_toml(recipe())
    assert "norm" not in text
    assert "activation" not in text
    assert 'norm = "batch"' in to_toml(recipe(norm="batch"))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"norm": "layer"}, "members.norm is 'layer'; it must be one of none, batch"),
        ({"activation": "gelu"}, "members.activation is 'gelu'; it must be one of relu, tanh"),
        (
            {"arch": "densenet", "hidden": [], "depth": 10, "growth": 4, "norm": "batch"},
            "members.norm is set, but members.arch is 'densenet'",
        ),
    ],
)
def test_other_values_are_refused(members, message):
    with pytest.raises(RecipeError) as error:
        recipe(**members)
    assert message in str(error.value)


def test_a_last_batch_of_one_example_is_refused_before_anything_is_written(tmp_path):
    one_left = {"data": {"name": "digits", "val": 46}}  # 1,251 = 25 · 50 + 1 training examples
    wanted = from_table({**to_table(recipe(norm="batch")), **one_left})
    with pytest.raises(RecipeError) as error:
        train(wanted, tmp_path / "run")
    assert "members.norm is 'batch'; a member fails in training mode on 1 example" in str(
        error.value
    )
    assert "change train.batch, data.val or members.norm" in str(error.value)
    assert not (tmp_path / "run").exists()
    Session.of(recipe()).with_fastest_plan()  # without BatchNorm, any batch
