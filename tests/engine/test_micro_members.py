"""Gradients of some members at a time are those of all at once."""

import pytest
import torch

from jtdiag.engine.execution import ExecutionPlan
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.store import lanes

MEMBERS = {
    "mlp": {"arch": "mlp", "count": 5, "hidden": [6]},
    "conv": {"arch": "conv", "count": 5, "filters": [3, 4], "strides": [1, 2]},
    "densenet": {"arch": "densenet", "count": 5, "depth": 10, "growth": 2},
}


def group(recipe, micro_members, execution):
    made = Session.of(recipe)
    way = ExecutionPlan(execution=execution, bfloat16=False)
    every = lanes.lanes_of(recipe)
    return LaneGroup(
        recipe, every, made.data, made.stack, made.device, way, micro_members=micro_members
    )


def assert_near(a, b, name):
    assert float((a - b).detach().abs().max()) < 1e-12 * max(1.0, float(b.detach().abs().max())), (
        name
    )


@pytest.mark.slow
@pytest.mark.parametrize("micro_members", [1, 2, 4])
@pytest.mark.parametrize("arch", MEMBERS)
@pytest.mark.parametrize("execution", ["stacked", "loop"])
def test_an_epoch_in_pieces_is_an_epoch(of_images, arch, micro_members, execution):
    recipe = of_images(members=MEMBERS[arch], lam=[0, 0.9])
    whole, pieces = group(recipe, 5, execution), group(recipe, micro_members, execution)
    start = {name: t.detach().clone() for name, t in whole.weights.items()}
    expected, found = whole.train_epoch(1), pieces.train_epoch(1)
    for name, row in expected.items():
        assert found[name] == pytest.approx(row, rel=1e-12), name
    for kind in ("weights", "memory", "buffers"):
        ours, theirs = getattr(pieces, kind), getattr(whole, kind)
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert_near(ours[name], theirs[name], name)
    assert not all(torch.equal(start[name], whole.weights[name]) for name in start)


@pytest.mark.slow
@pytest.mark.parametrize("micro_members", [1, 3])
def test_buffers_move_once_a_step(of_images, micro_members):
    made = group(of_images(members=MEMBERS["densenet"]), micro_members, "stacked")
    made.train_epoch(1)
    counts = [t for name, t in made.buffers.items() if name.endswith("num_batches_tracked")]
    assert counts
    assert all((t == 4).all() for t in counts)


@pytest.mark.parametrize("arch", MEMBERS)
def test_the_gradient_in_pieces_is_the_gradient(of_images, arch, monkeypatch):
    recipe = of_images(members=MEMBERS[arch], lam=[0.9])
    seen = []
    for micro_members in (5, 2):
        made = group(recipe, micro_members, "stacked")
        monkeypatch.setattr(
            type(made._optimiser), "step", lambda self, w, s, gradients, lr: seen.append(gradients)
        )
        made.try_step(made.plan)
    whole, pieces = seen
    assert whole.keys() == pieces.keys()
    for name in whole:
        assert_near(pieces[name], whole[name], name)


def test_the_recipe_says_how_many_or_memory_does(of_images, monkeypatch):
    made = Session.of(of_images(members=MEMBERS["conv"], engine={"micro_members": 2}))
    assert made.micro_members == 2
    assert made.settings()["micro_members"] == "2"
    assert made.lane_group(made.groups()[0]).micro_members == 2
    assert (
        Session.of(of_images(members=MEMBERS["conv"], engine={"micro_members": 9})).micro_members
        == 5
    )
    auto = of_images(members=MEMBERS["conv"])
    assert Session.of(auto).micro_members == 5
    monkeypatch.setattr("jtdiag.engine.session.CPU_ACTIVATIONS", 1)
    assert Session.of(auto).micro_members == 1
