"""Members run layer by layer are the members run whole, bit for bit."""

import pytest
import torch
from torch import nn

from jtdiag.engine.architectures import build
from jtdiag.engine.architectures.chain_stack import Chain
from jtdiag.engine.architectures.conv_stack import ConvStack
from jtdiag.engine.architectures.densenet_stack import DenseNetStack
from jtdiag.engine.architectures.mlp_stack import MLP
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.architectures.parts import parts_of
from jtdiag.recipe.members import Members

LANES, MEMBERS, BATCH, OUTPUTS = 2, 3, 4, 5


class Residual(nn.Module):
    """A module that says what its parts are."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.head = nn.Linear(6, OUTPUTS)

    def parts(self):
        return {
            "first": lambda x: x + self.first(x).relu(),
            "second": lambda x: x + self.second(x).relu(),
            "head": self.head,
        }

    def forward(self, x):
        for part in self.parts().values():
            x = part(x)
        return x


def sequence():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, OUTPUTS)
    )


STACKS = {
    "mlp": (lambda: MLP(MEMBERS, (2, 3), (5, 7), OUTPUTS), (2, 3)),
    "mlp with norm": (lambda: MLP(MEMBERS, (6,), (5, 7), OUTPUTS, norm=True), (6,)),
    "linear": (lambda: MLP(MEMBERS, (6,), (), OUTPUTS), (6,)),
    "conv": (lambda: ConvStack(MEMBERS, 2, (3, 4), (1, 2), OUTPUTS, norm=True), (2, 9, 8)),
    "densenet": (lambda: DenseNetStack(MEMBERS, 2, 16, 2, 0.5, OUTPUTS), (2, 8, 8)),
    "chain": (lambda: Chain(MEMBERS, 3, 0.1), (1,)),
    "sequence": (lambda: ModuleStack(MEMBERS, sequence), (6,)),
    "parts of its own": (lambda: ModuleStack(MEMBERS, Residual), (6,)),
}
CASES = [
    pytest.param(make, shape, execution, id=f"{name}, {execution}")
    for name, (make, shape) in STACKS.items()
    for execution in make().executions
]


def states(stack, dtype):
    drawn = [stack.initial(torch.Generator().manual_seed(lane)) for lane in range(LANES)]
    state = {name: torch.stack([lane[name] for lane in drawn]) for name in drawn[0]}
    return {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("make", "shape", "execution"), CASES)
def test_layers_one_after_the_other_are_the_whole(make, shape, execution, dtype, training):
    stack = make()
    stack.execution = execution
    x = torch.randn(LANES, BATCH, *shape, generator=torch.Generator().manual_seed(3)).to(dtype)
    whole, cut = states(stack, dtype), states(stack, dtype)
    for state in (whole, cut):
        for name in stack.parameters:
            state[name].requires_grad_()
    expected = stack(whole, x, training=training)
    h = x
    for i, name in enumerate(stack.layers):
        h = stack.run(cut, h, i, i + 1, training=training)
        if name != stack.layers[-1]:
            assert h.shape[:3] == (LANES, MEMBERS, BATCH)
    assert torch.equal(h, expected)
    by_logits = torch.randn(h.shape, generator=torch.Generator().manual_seed(5)).to(dtype)
    weights = [[state[name] for name in stack.parameters] for state in (whole, cut)]
    for a, b in zip(
        torch.autograd.grad(expected, weights[0], by_logits),
        torch.autograd.grad(h, weights[1], by_logits),
        strict=True,
    ):
        assert torch.equal(a, b)
    for name in stack.buffers:
        assert torch.equal(whole[name], cut[name]), name


@pytest.mark.parametrize(("make", "shape", "execution"), CASES)
def test_any_run_of_layers_is_its_layers_one_by_one(make, shape, execution):
    stack = make()
    stack.execution = execution
    state = states(stack, torch.float64)
    h = [torch.randn(LANES, BATCH, *shape, generator=torch.Generator().manual_seed(3)).double()]
    for i in range(len(stack.layers)):
        h.append(stack.run(state, h[i], i, i + 1))
    for start in range(len(stack.layers)):
        for stop in range(start + 1, len(stack.layers) + 1):
            assert torch.equal(stack.run(state, h[start], start, stop), h[stop])


@pytest.mark.parametrize("execution", ["loop", "vmap"])
def test_features_are_the_same_for_every_execution(execution):
    for make, shape in STACKS.values():
        stack = make()
        state = states(stack, torch.float64)
        x = torch.randn(LANES, BATCH, *shape, dtype=torch.float64)
        for stop in range(1, len(stack.layers) + 1):
            stack.execution = stack.executions[0]
            expected = stack.run(state, x, 0, stop)
            stack.execution = execution
            torch.testing.assert_close(
                stack.run(state, x, 0, stop), expected, rtol=1e-11, atol=1e-12
            )


def test_channels_last_in_the_loop():
    stack = STACKS["conv"][0]()
    stack.execution, stack.channels_last = "loop", True
    state = states(stack, torch.float32)
    x = torch.randn(LANES, BATCH, 2, 9, 8, generator=torch.Generator().manual_seed(3))
    h = x
    for i in range(3):
        h = stack.run(state, h, i, i + 1)
    assert torch.equal(h, stack(state, x))


NAMES = {
    "mlp": ("layer1", "layer2", "head"),
    "mlp with norm": ("layer1", "layer2", "head"),
    "linear": ("head",),
    "conv": ("conv1", "conv2", "head"),
    "densenet": ("first", "block1", "block2", "block3", "head"),
    "chain": ("layer1", "layer2", "layer3"),
    "sequence": ("1", "4"),
    "parts of its own": ("first", "second", "head"),
}


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_names(name):
    assert STACKS[name][0]().layers == NAMES[name]


def test_normalization_belongs_to_the_layer_before_and_flattening_to_the_one_after():
    parts = parts_of(sequence().eval())
    x = torch.randn(4, 2, 3)
    assert parts["1"](x).shape == (4, 8)
    assert parts["1"](x).min() >= 0


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (2, 1), (-1, 1), (0, 4)], ids=lambda value: str(value)
)
def test_layers_that_do_not_exist(start, stop):
    stack = MLP(MEMBERS, (6,), (5, 7), OUTPUTS)
    with pytest.raises(ValueError, match="from 0 to 3, the number of layers"):
        stack.run(states(stack, torch.float64), torch.zeros(LANES, BATCH, 6), start, stop)


class Sum(nn.Module):
    """A module with an attribute `parts` that means something else."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(6, OUTPUTS), nn.Linear(6, OUTPUTS)])

    def forward(self, x):
        return self.parts[0](x) + self.parts[1](x)


class Listed(nn.Module):
    """A module whose parts are a list of its children."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(4, OUTPUTS)
        self.parts = [nn.Sequential(self.a, nn.ReLU()), self.b]

    def forward(self, x):
        return self.b(self.a(x).relu())


@pytest.mark.parametrize(
    ("factory", "layers"),
    [
        (Sum, ("head",)),
        (Listed, ("layer1", "head")),
        (sequence, ("1", "4")),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, OUTPUTS)), ("1",)),
    ],
)
def test_a_module_is_cut_only_where_its_parts_are_the_module(factory, layers):
    members = Members(arch="module", count=2, factory="python:factory")
    assert build(members, (6,), OUTPUTS, factory).layers == layers
