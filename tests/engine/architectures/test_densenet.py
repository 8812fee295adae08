import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from jtdiag.engine.architectures.densenet_stack import DenseNet, DenseNetStack
from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.errors import RecipeError

LANES, MEMBERS, BATCH, CLASSES = 2, 3, 4, 5


def small(depth=10):
    """Three members of 6, 9 | 4, 7 | 3, 6 channels: odd numbers, and a transition that rounds."""
    return DenseNetStack(MEMBERS, channels=3, depth=depth, growth=3, reduction=0.5, outputs=CLASSES)


def images(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(LANES, BATCH, 3, 16, 16, generator=generator, dtype=torch.float64)
    return drawn.to(dtype)


def beginning(stack, dtype=torch.float64):
    """Every lane its own initial state, with the affine part of BatchNorm away from 1 and 0."""
    state = {}
    lanes = [stack.initial(torch.Generator().manual_seed(lane)) for lane in range(LANES)]
    generator = torch.Generator().manual_seed(7)
    for name in lanes[0]:
        value = torch.stack([lane[name] for lane in lanes])
        if name in stack.parameters:
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            value = value + 0.1 * noise
        state[name] = value.to(dtype)
    return state


def trained(execution, *, steps=3, dtype=torch.float64, depth=10):
    """Logits and gradients of each step of gradient descent, the state, and eval logits after."""
    stack = small(depth)
    stack.execution = execution
    state = beginning(stack, dtype)
    results = []
    for step in range(steps):
        leaves = {n: t.requires_grad_(n in stack.parameters) for n, t in state.items()}
        logits = stack(leaves, images(step, dtype), training=True)
        logits.logsumexp(2).sub(logits[:, :, 1]).mean().backward()
        results.append(logits.detach())
        results.extend(leaves[name].grad for name in stack.parameters)
        state = {
            n: t.detach() - 0.5 * t.grad if n in stack.parameters else t for n, t in state.items()
        }
    results.extend(state[name].clone() for name in stack.buffers)
    results.append(stack(state, images(9, dtype)))
    results.extend(state[name] for name in stack.buffers)
    return results


def difference(a, b):
    """Largest difference relative to the largest number."""
    return max(
        float((x - y).abs().max() / y.abs().max().clamp_min(1e-30))
        for x, y in zip(a, b, strict=True)
    )


@pytest.fixture(scope="module")
def looped():
    return trained("loop")


@pytest.mark.parametrize(
    ("depth", "growth", "members", "total"),
    [(100, 12, 4, 3_200_128), (82, 8, 8, 2_132_448), (64, 6, 16, 1_685_056)],
    ids=["DN-High", "DN-Mid", "DN-Low"],
)
def test_the_papers_networks_have_the_papers_number_of_parameters(depth, growth, members, total):
    stack = DenseNetStack(members, 3, depth, growth, 0.5, 100)
    assert members * sum(math.prod(p.shape) for p in stack.parameters.values()) == total


def test_a_transition_rounds_down():
    shapes = {name: p.shape for name, p in small().parameters.items()}
    assert shapes["layers.transition1.conv.weight"] == (4, 9, 1, 1)
    assert shapes["layers.transition2.conv.weight"] == (3, 7, 1, 1)
    assert shapes["head.weight"] == (CLASSES, 6)


@pytest.mark.parametrize("depth", [4, 12, 101])
def test_a_depth_that_three_blocks_cannot_share_is_refused(depth):
    with pytest.raises(RecipeError, match=rf"depth is {depth}; .* 4 plus a multiple of 6"):
        DenseNet(3, depth, 12, 0.5, 10)


@pytest.mark.parametrize("execution", ["loop", "stacked", "vmap"])
def test_logits_have_lanes_members_classes_and_examples(execution):
    stack = small()
    stack.execution = execution
    logits = stack(beginning(stack), images(0))
    assert logits.shape == (LANES, MEMBERS, CLASSES, BATCH)


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["stacked", "vmap"])
def test_training_and_evaluation_are_those_of_the_loop(looped, execution):
    assert difference(trained(execution), looped) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["stacked", "vmap"])
def test_float32_stays_near_the_float64_loop(looped, execution):
    results = trained(execution, dtype=torch.float32)
    assert all(t.dtype == torch.float32 for t in results)
    assert difference(results, looped) < 1e-3


@pytest.mark.parametrize("execution", ["loop", "stacked", "vmap"])
def test_running_statistics_move_by_a_tenth_and_batches_are_counted(execution):
    stack = small()
    stack.execution = execution
    state = beginning(stack)
    weight = state["layers.first.weight"]
    stack(state, images(0), training=True)
    for lane in range(LANES):
        for j in range(MEMBERS):
            h = functional.conv2d(images(0)[lane], weight[lane, j], padding=1)
            mean = state["layers.block1.layer1.norm1.running_mean"][lane, j]
            var = state["layers.block1.layer1.norm1.running_var"][lane, j]
            assert difference([mean], [0.1 * h.mean((0, 2, 3))]) < 1e-9
            assert difference([var], [0.9 + 0.1 * h.var((0, 2, 3), unbiased=True)]) < 1e-9
    counts = [t for name, t in state.items() if name.endswith("num_batches_tracked")]
    assert all((t == 1).all() for t in counts)


@pytest.mark.parametrize("execution", ["loop", "stacked", "vmap"])
def test_evaluation_changes_nothing(execution):
    stack = small()
    stack.execution = execution
    state = beginning(stack)
    before = {name: t.clone() for name, t in state.items()}
    stack(state, images(0))
    assert all(torch.equal(t, before[name]) for name, t in state.items())


@pytest.mark.slow
def test_a_part_of_the_members_can_be_stacked_and_moves_its_own_statistics_only():
    stack = small()
    stack.execution = "stacked"
    whole, parts = beginning(stack), beginning(stack)
    leaves = [{n: s[n].requires_grad_() for n in stack.parameters} for s in (whole, parts)]
    logits = stack(whole, images(0), training=True)
    logits.square().sum().backward()
    for j, some in enumerate([slice(0, 1), slice(1, 3)]):
        part = stack({n: t[:, some] for n, t in parts.items()}, images(0), training=True)
        assert difference([part.detach()], [logits[:, some].detach()]) < 1e-9
        part.square().sum().backward()
        left = [parts[name][:, 1:] for name in stack.buffers if "tracked" in name]
        assert all((t == j).all() for t in left)
    assert (
        difference(
            [parts[n] for n in stack.buffers] + [t.grad for t in leaves[1].values()],
            [whole[n] for n in stack.buffers] + [t.grad for t in leaves[0].values()],
        )
        < 1e-9
    )


def torchvisions(state, depth, growth):
    """torchvision's DenseNet with our first convolution, and the same numbers in the same order."""
    net = import_torchvision().models.DenseNet(
        growth, ((depth - 4) // 6,) * 3, 2 * growth, 4, num_classes=CLASSES
    )
    net.features.conv0 = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)
    net.features.norm0 = net.features.relu0 = net.features.pool0 = nn.Identity()
    net.double()
    for kind in ("named_parameters", "named_buffers"):
        own = dict(getattr(net, kind)())
        with torch.no_grad():
            for (name, t), ours in zip(own.items(), state[kind], strict=True):
                assert t.shape == ours.shape, name
                t.copy_(ours)
    return net


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
def test_a_member_is_torchvisions_densenet_but_for_the_first_layer(training):
    stack = small(depth=16)
    stack.execution = "stacked"
    state = beginning(stack)
    for seed in range(2):
        stack(state, images(seed), training=True)  # away from mean 0 and variance 1
    nets = {
        (lane, j): torchvisions(
            {
                "named_parameters": [state[name][lane, j] for name in stack.parameters],
                "named_buffers": [state[name][lane, j] for name in stack.buffers],
            },
            depth=16,
            growth=3,
        )
        for lane in range(LANES)
        for j in range(MEMBERS)
    }
    logits = stack(state, images(3), training=training)
    for (lane, j), net in nets.items():
        net.train(training)
        theirs = net(images(3)[lane]).detach().mT
        assert difference([logits[lane, j]], [theirs]) < 1e-9
        ours = [state[name][lane, j] for name in stack.buffers]
        assert difference(ours, list(net.buffers())) < 1e-9


def test_members_begin_as_the_authors_members_do():
    growth, inside = 12, 48
    stack = DenseNetStack(4, 3, 16, growth, 0.5, 100)
    state = stack.initial(torch.Generator().manual_seed(3))
    out_channels = {"first": 2 * growth, "conv1": inside, "conv2": growth, "conv": (24 + 24) // 2}
    drawn = []
    for name in stack.parameters:
        value, part, kind = state[name], *name.split(".")[-2:]
        if part in out_channels:
            kernel = value.shape[-1]
            drawn.append(value / math.sqrt(2 / (kernel**2 * out_channels[part])))
            assert drawn[-1].mean().abs() < 5 / math.sqrt(value.numel()), name
            assert (drawn[-1].std() - 1).abs() < 5 / math.sqrt(2 * value.numel()), name
        elif name == "head.weight":
            bound = 1 / math.sqrt(value.shape[-1])
            assert 0.999 * bound < value.abs().max() <= bound
            assert (value.std() / bound * math.sqrt(3) - 1).abs() < 0.03
        else:
            assert (value == (1 if kind == "weight" else 0)).all(), name
    standard = torch.cat([d.flatten() for d in drawn])
    assert (standard.abs() > 2).double().mean() == pytest.approx(0.0455, abs=0.002)
    for name in stack.buffers:
        assert (state[name] == (1 if name.endswith("running_var") else 0)).all(), name
    assert all(not torch.equal(d[0], d[1]) for d in drawn)


@pytest.mark.slow
def test_bfloat16_products_keep_the_state_in_float32():
    stack = small()
    state = beginning(stack, torch.float32)
    exact = stack(beginning(stack), images(0), training=True)
    stack.execution = "stacked"
    leaves = {n: t.requires_grad_(n in stack.parameters) for n, t in state.items()}
    with torch.autocast("cpu", torch.bfloat16):
        logits = stack(leaves, images(0, torch.float32), training=True)
    logits.square().sum().backward()
    assert 1e-6 < difference([logits.detach()], [exact]) < 0.1
    assert all(state[name].dtype == torch.float32 for name in stack.buffers)
    assert all(state[name].grad.dtype == torch.float32 for name in stack.parameters)


def test_every_convolution_is_given_channels_last(monkeypatch):
    stack = small()
    stack.execution = "stacked"
    layouts = []
    conv2d = functional.conv2d

    def spy(h, *args, **kwargs):
        layouts.append(h.is_contiguous(memory_format=torch.channels_last))
        return conv2d(h, *args, **kwargs)

    monkeypatch.setattr(functional, "conv2d", spy)
    stack(beginning(stack), images(0), training=True)
    assert layouts == [True] * (1 + 3 * 2 + 2)  # not one more for more members or lanes


def test_a_transition_that_keeps_nothing_is_refused():
    with pytest.raises(RecipeError, match=r"reduction is 0\.01, which keeps none of the 12 fil"):
        DenseNet(channels=3, depth=10, growth=4, reduction=0.01, outputs=5)
