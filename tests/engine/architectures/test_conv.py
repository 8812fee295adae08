import math

import pytest
import torch
from torch import nn

from jtdiag.engine.architectures.conv import size_after
from jtdiag.engine.architectures.conv_stack import ConvStack
from jtdiag.engine.execution import ExecutionPlan
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.store import lanes

LANES, MEMBERS, BATCH, CLASSES = 2, 3, 4, 5
STRIDES = (1, 2, 1)


def small():
    return ConvStack(MEMBERS, 3, (4, 5, 3), STRIDES, CLASSES)


def images(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LANES, BATCH, 3, 13, 11, generator=generator, dtype=torch.float64)


def beginning(stack):
    drawn = [stack.initial(torch.Generator().manual_seed(lane)) for lane in range(LANES)]
    return {name: torch.stack([state[name] for state in drawn]) for name in drawn[0]}


def logits_and_gradients(execution):
    """Logits, and the gradients of all parameters."""
    stack = small()
    stack.execution = execution
    state = {name: t.requires_grad_() for name, t in beginning(stack).items()}
    logits = stack(state, images())
    by_logits = torch.randn(logits.shape, generator=torch.Generator().manual_seed(5)).double()
    return [logits.detach(), *torch.autograd.grad(logits, list(state.values()), by_logits)]


def difference(a, b):
    """Largest difference of two tensors relative to the largest number of the second."""
    return float(((a - b).abs().max() / b.abs().max()).detach())


def parameters(stack):
    return sum(math.prod(p.shape) for p in stack.parameters.values())


@pytest.mark.parametrize("width", [16, 32, 48, 64])
def test_the_papers_networks_have_the_papers_number_of_parameters(width):
    filters = (width, 2 * width, 2 * width, 4 * width, 4 * width)
    stack = ConvStack(1, 3, filters, (1, 2, 1, 2, 1), 100)
    assert parameters(stack) == 270 * width**2 + 440 * width + 100


def test_the_network_of_ten_classes():
    assert parameters(ConvStack(1, 3, (32, 64, 64, 128, 128), (1, 2, 1, 2, 1), 10)) == 279_050


def test_every_parameter_begins_within_one_over_the_root_of_its_fan_in():
    stack = ConvStack(20, 3, (8, 6), (1, 1), CLASSES)
    state = stack.initial(torch.Generator().manual_seed(0))
    assert not stack.buffers
    fan_in = {"layers.conv1": 27, "layers.conv2": 72, "head": 6}
    for name, drawn in state.items():
        bound = 1 / math.sqrt(fan_in[name.rpartition(".")[0]])
        assert drawn.shape == (20, *stack.parameters[name].shape)
        assert 0.9 * bound < drawn.abs().max() <= bound, name
        # A uniform distribution: mean and variance within 4.5 deviations.
        n = drawn.numel()
        assert abs(drawn.mean()) < 4.5 * bound / math.sqrt(3 * n)
        assert drawn.var() == pytest.approx(bound**2 / 3, rel=4.5 * math.sqrt(0.8 / n))
        assert not torch.equal(drawn[0], drawn[1])


def test_a_member_is_plain_convolutions_a_mean_and_a_linear_layer():
    stack = small()
    stack.execution = "loop"
    state = beginning(stack)
    logits = stack(state, images())
    assert logits.shape == (LANES, MEMBERS, CLASSES, BATCH)
    for lane in range(LANES):
        for member in range(MEMBERS):
            own = {name: t[lane, member] for name, t in state.items()}
            h = images()[lane]
            for i, stride in enumerate(STRIDES, start=1):
                weight, bias = own[f"layers.conv{i}.weight"], own[f"layers.conv{i}.bias"]
                h = nn.functional.conv2d(h, weight, bias, stride).relu()
            h = nn.functional.adaptive_avg_pool2d(h, 1).flatten(1)
            book = h @ own["head.weight"].T + own["head.bias"]
            assert difference(logits[lane, member], book.T) < 1e-12


@pytest.mark.parametrize("execution", ["stacked", "vmap"])
def test_logits_and_gradients_are_those_of_the_loop(execution):
    for actual, expected in zip(
        logits_and_gradients(execution), logits_and_gradients("loop"), strict=True
    ):
        assert difference(actual, expected) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["stacked", "vmap"])
def test_20_steps_are_those_of_the_loop(of_images, execution):
    session = Session.of(of_images(members={"arch": "conv", "filters": [4, 5], "strides": [1, 2]}))
    groups = []
    for each in (execution, "loop"):
        every = lanes.lanes_of(session.recipe)
        way = ExecutionPlan(execution=each, bfloat16=False)
        group = LaneGroup(session.recipe, every, session.data, session.stack, session.device, way)
        for epoch in range(1, 6):
            group.train_epoch(epoch)
        groups.append(group)
    steps = 5 * math.ceil(session.data.count("train") / session.recipe.train.batch)
    assert steps == 20
    moved = session.lane_group(every)
    for name, book in groups[1].weights.items():
        assert difference(groups[0].weights[name], book) < 1e-9
        assert difference(moved.weights[name], book) > 1e-3, "training moves every weight"


@pytest.mark.parametrize(
    ("size", "strides"), [(32, (1, 2, 1, 2, 1)), (11, (2, 2)), (12, (2, 1)), (3, (1,))]
)
def test_the_size_that_is_left_is_that_of_the_convolutions(size, strides):
    h = torch.zeros(1, 1, size, size)
    for stride in strides:
        h = nn.functional.conv2d(h, torch.zeros(1, 1, 3, 3), stride=stride)
    assert size_after(size, strides) == h.shape[-1]


def test_images_too_small_for_the_layers_are_refused_in_one_line(of_images):
    too_deep = {"arch": "conv", "filters": [2] * 4, "strides": [1] * 4}
    with pytest.raises(RecipeError, match="reduce images of 8x8 to nothing") as caught:
        Session.of(of_images(members=too_deep))
    assert "\n" not in str(caught.value)
