import pytest
import torch
from torch import nn

from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.execution import ExecutionPlan, fastest
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.store import lanes

LANES, MEMBERS, BATCH, CLASSES = 2, 3, 6, 4


def plain():
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(27, CLASSES))


def normalised():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, CLASSES)
    )


class Branching(nn.Module):
    """A module whose way depends on the numbers, which vmap cannot map."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(50, CLASSES)

    def forward(self, x):
        logits = self.linear(x.flatten(1))
        return logits * 2 if logits.sum() > 0 else logits


def images(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LANES, BATCH, 2, 5, 5, generator=generator, dtype=torch.float64)


def beginning(stack):
    drawn = [stack.initial(torch.Generator().manual_seed(lane)) for lane in range(LANES)]
    return {name: torch.stack([state[name] for state in drawn]) for name in drawn[0]}


def copies(factory, state):
    """A plain module of each lane and member with its state."""
    modules = {}
    for lane in range(LANES):
        for j in range(MEMBERS):
            with torch.random.fork_rng():
                module = factory().double()
            module.load_state_dict({name: t[lane, j].clone() for name, t in state.items()})
            modules[lane, j] = module
    return modules


def difference(a, b):
    return float(((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).detach())


@pytest.mark.parametrize("factory", [plain, normalised])
@pytest.mark.parametrize("execution", ["loop", "vmap"])
@pytest.mark.parametrize("training", [True, False])
def test_members_are_the_plain_modules(factory, execution, training):
    stack = ModuleStack(MEMBERS, factory)
    stack.execution = execution
    state = beginning(stack)
    modules = copies(factory, state)
    weights = {name: state[name].requires_grad_() for name in stack.parameters}
    for step in range(2):
        logits = stack(state, images(step), training=training)
        assert logits.shape == (LANES, MEMBERS, CLASSES, BATCH)
        stacked = torch.autograd.grad(logits.square().sum(), list(weights.values()))
        for (lane, j), module in modules.items():
            book = module.train(training)(images(step)[lane])
            assert difference(logits[lane, j], book.T) < 1e-12
            gradients = torch.autograd.grad(book.square().sum(), list(module.parameters()))
            scale = max(float(g.abs().max()) for g in gradients)
            for ours, theirs in zip(stacked, gradients, strict=True):
                assert float((ours[lane, j] - theirs).abs().max()) < 1e-12 * scale
            for name, buffer in module.named_buffers():
                assert difference(state[name][lane, j], buffer.double()) < 1e-12, name


def test_the_names_and_shapes_are_the_modules_own():
    stack = ModuleStack(MEMBERS, normalised)
    module = normalised()
    assert {n: p.shape for n, p in stack.parameters.items()} == {
        n: tuple(p.shape) for n, p in module.named_parameters()
    }
    assert {n: b.shape for n, b in stack.buffers.items()} == {
        n: tuple(b.shape) for n, b in module.named_buffers()
    }
    assert stack.executions == ("loop", "vmap")


@pytest.mark.parametrize("execution", ["loop", "vmap"])
def test_training_moves_buffers_in_place_and_measuring_does_not(execution):
    stack = ModuleStack(MEMBERS, normalised)
    stack.execution = execution
    state = beginning(stack)
    held = {name: state[name] for name in stack.buffers}
    before = {name: t.clone() for name, t in held.items()}
    with torch.no_grad():
        stack(state, images())
        assert all(torch.equal(held[name], before[name]) for name in held)
        stack(state, images(), training=True)
    assert all(state[name] is held[name] for name in held)
    assert not any(torch.equal(held[name], before[name]) for name in held)
    assert (held["1.num_batches_tracked"] == 1).all()


def test_initial_modules_differ_and_depend_on_their_generator_alone():
    stack = ModuleStack(MEMBERS, plain)
    first, again, second = (stack.initial(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    for name, drawn in first.items():
        assert drawn.dtype == torch.float64
        assert torch.equal(drawn, again[name])
        assert not torch.equal(drawn, second[name])
        assert not torch.equal(drawn[0], drawn[1])


def test_torchs_global_generator_is_left_alone():
    before = torch.get_rng_state()
    stack = ModuleStack(MEMBERS, normalised)
    state = beginning(stack)
    stack.activation_bytes(images()[0])
    for execution in stack.executions:
        stack.execution = execution
        stack(state, images(), training=True)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_module_with_control_flow_by_numbers_falls_back_to_the_loop():
    stack = ModuleStack(MEMBERS, Branching)
    state = beginning(stack)
    tried = []

    def step(way):
        tried.append(way.execution)
        stack.execution = way.execution
        stack(state, images(), training=True)

    ways = [ExecutionPlan(execution=e, bfloat16=False) for e in ("vmap", "loop")]
    choice = fastest(ways, step, torch.device("cpu"))
    assert choice.plan.execution == "loop"
    assert choice.seconds.keys() == {"loop"}
    assert "vmap does not work (vmap: It looks like" in choice.reason
    assert set(tried) == {"vmap", "loop"}


def test_the_activations_of_a_member_are_counted():
    stack = ModuleStack(1, lambda: nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 3)))
    x = torch.zeros(8, 10, dtype=torch.float32)
    # What backward needs: the input and the result of tanh, which the last layer shares.
    assert stack.activation_bytes(x) == 4 * 8 * (10 + 20)


RESNET = """from jtdiag.engine.torchvision_import import import_torchvision

def make():
    return import_torchvision().models.resnet18(num_classes=3)
"""


@pytest.mark.slow
def test_a_torchvision_resnet_trains(of_images, tmp_path):
    pytest.importorskip("PIL")
    file = tmp_path / "resnet_of_a_test.py"
    file.write_text(RESNET)
    members = {"arch": "module", "count": 2, "factory": f"{file}:make"}
    recipe = of_images(lam=[0.5], members=members, train={"batch": 16, "lr": 0.01})
    session = Session.of(recipe)
    assert sum(p.numel() for p in copies_of_resnet()) == session.extent.parameters_per_member
    way = ExecutionPlan(execution="loop", bfloat16=False)
    group = LaneGroup(
        recipe, lanes.lanes_of(recipe), session.data, session.stack, session.device, way
    )
    before = {name: t.detach().clone() for name, t in group.weights.items()}
    rows = group.train_epoch(1)
    assert all((row >= 0).all() for row in rows.values())
    assert not any(torch.equal(before[name], t) for name, t in group.weights.items())
    counts = [t for name, t in group.buffers.items() if name.endswith("num_batches_tracked")]
    assert len(counts) == 20
    assert all((t == 2).all() for t in counts)


def copies_of_resnet():
    from jtdiag.engine.torchvision_import import import_torchvision

    with torch.random.fork_rng():
        return list(import_torchvision().models.resnet18(num_classes=3).parameters())


@pytest.mark.parametrize("execution", ["loop", "vmap"])
def test_members_can_be_evaluated_in_inference_mode(execution):
    stack = ModuleStack(2, lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)))
    stack.execution = execution
    initial = stack.initial(torch.Generator().manual_seed(0))
    state = {name: tensor.unsqueeze(0) for name, tensor in initial.items()}
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    with torch.inference_mode():
        first, again = stack(state, x), stack(state, x.clone())
    assert torch.equal(first, again)
    assert torch.equal(first, stack(state, x))
    assert bool((x < 0).any())  # the module changed a copy
