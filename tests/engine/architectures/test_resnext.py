import pytest
import torch

from jtdiag.engine.architectures.branch_stack import BranchStack
from jtdiag.engine.architectures.resnext_stack import BranchResNeXt, resnext
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.loss import joint_loss
from jtdiag.engine.session import Session
from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.store import lanes

BRANCHES, BLOCKS, WIDTH, CLASSES = 4, (1, 1, 1, 2), 2, 5


def ours(channels=3, side=16, blocks=BLOCKS):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = BranchResNeXt(BRANCHES, blocks, WIDTH, (channels, side, side), CLASSES)
    return net.double()


def torchvisions(net, blocks=BLOCKS):
    """torchvision's own network with the same weights."""
    resnet = import_torchvision().models.resnet
    classes = net.fc.out_features
    with torch.random.fork_rng():
        net_of_torchvision = resnet.ResNet(
            resnet.Bottleneck, list(blocks), classes, groups=BRANCHES, width_per_group=WIDTH
        )
    net_of_torchvision.maxpool = net.maxpool
    net_of_torchvision.conv1 = type(net.conv1)(
        net.conv1.in_channels, 64, net.conv1.kernel_size, net.conv1.stride, net.conv1.padding,
        bias=False,
    )  # fmt: skip
    net_of_torchvision = net_of_torchvision.double()
    net_of_torchvision.load_state_dict(net.state_dict())
    return net_of_torchvision


def images(count=6, channels=3, side=16):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, side, side, generator=generator, dtype=torch.float64)


def difference(a, b):
    return float(((a - b).abs().max() / b.abs().max().clamp_min(1e-300)).detach())


@pytest.mark.slow
@pytest.mark.parametrize(
    "blocks", [BLOCKS, (1, 1, 1, 1)]
)  # without and with a downsampled shortcut
@pytest.mark.parametrize("training", [True, False])
def test_the_mean_of_the_branches_is_torchvisions_network(training, blocks):
    net = ours(blocks=blocks).train(training)
    theirs = torchvisions(net, blocks).train(training)
    mean, logits = net(images()).mean(1), theirs(images())
    assert difference(mean, logits) < 1e-12
    actual, expected = (
        torch.autograd.grad(output.square().sum(), list(n.parameters()))
        for output, n in ((mean, net), (logits, theirs))
    )
    scale = max(float(g.abs().max()) for g in expected)
    assert (
        max(float((a - b).abs().max()) for a, b in zip(actual, expected, strict=True))
        < 1e-12 * scale
    )
    for (name, a), (other_name, b) in zip(net.named_buffers(), theirs.named_buffers(), strict=True):
        assert name == other_name
        assert torch.allclose(a, b, rtol=1e-12)


@pytest.mark.slow
def test_a_branch_alone_is_the_network_whose_other_branches_say_the_same():
    """With the rectifiers of the last sum as they are: here its shortcut keeps all of them on."""
    net = ours().eval()
    block = net.layer4[-1]
    with torch.no_grad():
        block.bn3.weight.mul_(1e-3)  # small additions
        net.layer4[0].bn3.bias.fill_(5)  # to a shortcut that is positive everywhere
        block.bn3.bias.fill_(0)
        logits = net(images())
        own = block.conv3.weight.view(len(block.conv3.weight), BRANCHES, -1).clone()
        mean = block.bn3.running_mean.clone()
        for j in range(BRANCHES):
            only_j = torch.zeros_like(own)
            only_j[:, j] = BRANCHES * own[:, j]
            block.conv3.weight.copy_(only_j.view_as(block.conv3.weight))
            block.bn3.running_mean.copy_(mean)
            assert difference(logits[:, j], torchvisions(net).eval()(images())) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "side", "first"), [(3, 32, 3), (1, 28, 3), (3, 64, 7), (1, 64, 7)]
)
def test_small_images_keep_their_size_at_first(channels, side, first):
    net = ours(channels, side)
    assert net.conv1.weight.shape == (64, channels, first, first)
    assert net(images(2, channels, side)).shape == (2, BRANCHES, CLASSES)


@pytest.mark.slow
def test_the_recipes_network_has_its_parameters():
    net = BranchResNeXt(16, (2, 2, 2, 2), 4, (3, 32, 32), 100)
    assert sum(p.numel() for p in net.parameters()) == 8_268_196


@pytest.mark.slow
def test_a_stack_has_one_copy_and_a_row_for_each_branch():
    stack = resnext(BRANCHES, BLOCKS, WIDTH, (3, 16, 16), CLASSES)
    assert isinstance(stack, BranchStack)
    assert (stack.count, stack.executions) == (1, ("loop",))
    drawn = [stack.initial(torch.Generator().manual_seed(lane)) for lane in range(2)]
    state = {name: torch.stack([state[name] for state in drawn]) for name in drawn[0]}
    x = images(6).view(2, 3, 3, 16, 16)
    logits = stack(state, x)
    assert logits.shape == (2, BRANCHES, CLASSES, 3)
    net = ours().eval()
    for lane in range(2):
        net.load_state_dict({name: t[lane, 0] for name, t in state.items()})
        assert difference(logits[lane], net(x[lane]).permute(1, 2, 0)) < 1e-12


RESNEXT = {"arch": "resnext", "count": BRANCHES, "blocks": [1, 1, 1, 1], "width": 2}


@pytest.mark.slow
@pytest.mark.parametrize("lam", [0.0, 0.9, 1.0])
def test_steps_of_the_engine_are_those_of_a_plain_loop(of_images, lam):
    """λ = 1 is the ordinary training of torchvision's network; any λ that of the joint loss."""
    recipe = of_images(lam=[lam], members=RESNEXT, train={"lr": 0.01, "momentum": 0.9})
    session = Session.of(recipe)
    group = LaneGroup(recipe, lanes.lanes_of(recipe), session.data, session.stack, session.device)
    net = BranchResNeXt(BRANCHES, (1, 1, 1, 1), 2, (3, 8, 8), 3).double()
    start = {
        name: t.detach()[0, 0].clone()
        for name, t in (*group.weights.items(), *group.buffers.items())
    }
    net.load_state_dict(start)
    if lam == 1:
        net = torchvisions(net, (1, 1, 1, 1))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for index_LB in group._positions(group._ranks(1)).split(recipe.train.batch, 1):
        x, target = group._batch(index_LB, "train")
        logits = net(x[0])
        if lam == 1:
            loss = torch.nn.functional.cross_entropy(logits, target[0])
        else:
            loss = joint_loss(logits.transpose(0, 1), target[0], lam)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    group.train_epoch(1)
    book = net.state_dict()
    for name, value in (*group.weights.items(), *group.buffers.items()):
        assert difference(value[0, 0], book[name].double()) < 1e-9, name
