"""Modules that people bring: with frozen layers, index buffers, unused or lazy layers."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from jtdiag import train
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.recipe.toml import from_table
from jtdiag.replay import Replay

CLASSES = 3
FEATURES = 3 * 8 * 8


class Frozen(nn.Module):
    """A pretrained layer that is frozen, with a layer of the network's own on top."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(FEATURES, 6)
        nn.init.constant_(self.trunk.weight, 0.01)
        self.trunk.requires_grad_(False)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.head(self.trunk(x.flatten(1)).tanh())


class Buffers(nn.Module):
    """Buffers of integers, booleans and complex numbers, which the module uses as such."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(15))
        places = torch.arange(8)
        self.register_buffer("relative", places[:, None] - places[None, :] + 7)
        self.register_buffer("mask", torch.arange(FEATURES) % 2 == 0)
        self.register_buffer("phase", torch.polar(torch.ones(8), torch.arange(8.0)))
        self.register_buffer("scale", torch.tensor(0.5))
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        mixed = torch.softmax(self.table[self.relative], -1) @ x
        rotated = (mixed * self.phase).real * self.scale
        return self.head(rotated.flatten(1).masked_fill(self.mask, 0))


class Unused(nn.Module):
    """A layer that takes no part in the forward pass."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(FEATURES, CLASSES)
        self.projection = nn.Linear(6, 4)

    def forward(self, x):
        return self.head(x.flatten(1))


class Sometimes(Unused):
    """A layer that is used in training mode only."""

    def forward(self, x):
        logits = super().forward(x)
        return logits + self.projection.weight.mean() if self.training else logits


class Tied(nn.Module):
    """Two layers with the same weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(FEATURES, FEATURES, bias=False)
        self.second = nn.Linear(FEATURES, FEATURES, bias=False)
        self.second.weight = self.first.weight
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        return self.head(self.second(self.first(x.flatten(1)).tanh()))


def lazy():
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES)
    )


def half():
    return nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, CLASSES)).to(torch.bfloat16)


def of_module(of_images, **changes):
    """A recipe of two λs and two epochs with members from a factory."""
    train_section = {"epochs": 2, "batch": 8, "lr": 0.1} | changes.pop("train", {})
    return of_images(members={"arch": "module", "count": 2}, train=train_section, **changes)


def moved(run, name):
    """Return how far a tensor has moved at most in any lane."""
    return max(
        float(np.abs(run.checkpoint(lane, 2)[name] - run.checkpoint(lane, 0)[name]).max())
        for lane in run.lanes
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimiser", "execution"),
    [("sgd", "loop"), ("sgd", "vmap"), ("adamw", "loop"), ("soap", "loop")],
)
def test_frozen_parameters_neither_move_nor_count_as_moved(
    of_images, tmp_path, execution, optimiser
):
    engine = {"execution": execution}
    section = {"optimiser": optimiser, "weight_decay": 0.1, "clip": 1.0}
    recipe = of_module(of_images, engine=engine, train=section)
    run = train(recipe, tmp_path / "run", factory=Frozen)
    assert moved(run, "trunk.weight") == moved(run, "trunk.bias") == 0
    assert moved(run, "head.weight") > 0
    assert set(run.parameters) == {"head.weight", "head.bias"}
    assert set(run.frozen) == {"trunk.weight", "trunk.bias"}
    lane = run.lanes[0]
    start, end = run.checkpoint(lane, 0), run.checkpoint(lane, 2)
    squares = sum(
        ((end[name] - start[name]) ** 2).sum(tuple(range(1, end[name].ndim)))
        for name in ("head.weight", "head.bias")
    )
    stored = run.metrics()["displacement"].values[lane.lam_index, lane.trial, 2]
    np.testing.assert_allclose(stored, np.sqrt(squares), rtol=1e-12)


def test_frozen_parameters_are_trained_as_by_torch(image_file, tmp_path):
    """One member at λ = 1 is the plain module, trained by torch.optim.SGD on the same batches."""
    recipe = from_table(
        {
            "lam": [1.0],
            "data": {"name": image_file, "val": 8},
            "members": {"arch": "module", "count": 1},
            "train": {"epochs": 1, "batch": 32, "lr": 0.1, "momentum": 0.0},
            "engine": {"device": "cpu", "threads": 1, "precision": "float64"},
        }
    )
    run = train(recipe, tmp_path / "run", factory=Frozen)
    [lane] = run.lanes
    module = Frozen().double()
    module.load_state_dict({n: torch.tensor(a[0]) for n, a in run.checkpoint(lane, 0).items()})
    x, y = Replay.of(run, lane, 0, factory=Frozen).examples("train")
    nn.functional.cross_entropy(module(x), y).backward()
    torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1).step()
    for name, array in run.checkpoint(lane, 1).items():
        np.testing.assert_allclose(array[0], module.state_dict()[name].numpy(), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "execution"), [("float32", "loop"), ("float64", "loop"), ("float32", "vmap")]
)
def test_buffers_keep_their_type(of_images, tmp_path, precision, execution):
    recipe = of_module(of_images, engine={"precision": precision, "execution": execution})
    run = train(recipe, tmp_path / "run", factory=Buffers)
    lane = run.lanes[1]
    checkpoint = run.checkpoint(lane, 2)
    assert checkpoint["relative"].dtype == np.int64
    assert (checkpoint["relative"] == np.subtract.outer(np.arange(8), np.arange(8)) + 7).all()
    assert checkpoint["mask"].dtype == bool
    assert checkpoint["phase"].dtype == np.complex64
    assert checkpoint["scale"].dtype == checkpoint["head.weight"].dtype == precision
    replay = Replay.of(run, lane, 2, factory=Buffers)
    x, _ = replay.examples("test")
    logits = replay.logits(x).detach().numpy()
    stored = np.concatenate([b.logits for b in run.outputs(lane, 2, "test")], 1)
    np.testing.assert_allclose(logits, stored, atol=1e-4)
    assert replay.double().weights["relative"].dtype == torch.int64


@pytest.mark.slow
def test_the_count_of_batches_is_a_whole_number(of_images, tmp_path):
    run = train(of_module(of_images), tmp_path / "run", factory=lazy)
    count = run.checkpoint(run.lanes[0], 2)["1.num_batches_tracked"]
    assert count.dtype == np.int64
    assert (count == 2 * 4).all()


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["loop", "vmap"])
@pytest.mark.parametrize("factory", [Unused, Sometimes])
def test_parameters_without_a_gradient_stay_where_they_are(of_images, tmp_path, execution, factory):
    engine = {"execution": execution, "micro_members": 1 if factory is Unused else 2}
    run = train(of_module(of_images, engine=engine), tmp_path / "run", factory=factory)
    assert moved(run, "projection.bias") == 0
    assert moved(run, "head.weight") > 0
    assert (run.metrics()["member_loss"].values > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("factory", [lazy, half, Tied])
def test_lazy_layers_half_precision_and_tied_weights_train(of_images, tmp_path, factory):
    run = train(of_module(of_images), tmp_path / "run", factory=factory)
    for name in run.parameters:
        assert moved(run, name) > 0
    loss = run.metrics()["member_loss"].sel(split="train")
    assert (loss.isel(epoch=-1) < loss.isel(epoch=0)).all()


@pytest.mark.slow
def test_a_resumed_run_with_frozen_parameters_and_index_buffers_is_the_same(of_images, tmp_path):
    recipe = of_module(of_images)
    for factory in (Frozen, Buffers):
        whole = train(recipe, tmp_path / f"whole-{factory.__name__}", factory=factory)

        class StopError(Exception):
            pass

        class Stop:
            def begin(self, plan): ...
            def verdict(self, lane, verdict): ...
            def epoch(self, report):
                if (report.lane.lam_index, report.epoch) == (1, 1):
                    raise StopError

        path = tmp_path / f"cut-{factory.__name__}"
        with pytest.raises(StopError):
            train(recipe, path, factory=factory, listener=Stop())
        again = train(recipe, path, factory=factory, resume=True)
        for lane in whole.lanes:
            expected = whole.checkpoint(lane, 2)
            for name, array in again.checkpoint(lane, 2).items():
                np.testing.assert_array_equal(array, expected[name])


class Answers(nn.Module):
    """A module that returns something other than logits, always or in training mode only."""

    def __init__(self, answer, training_only=False):
        super().__init__()
        self.head = nn.Linear(FEATURES, CLASSES)
        self.answer, self.training_only = answer, training_only

    def forward(self, x):
        logits = self.head(x.flatten(1))
        return self.answer(logits) if self.training or not self.training_only else logits


class Fails(nn.Sequential):
    def forward(self, x):
        if self.training:
            raise KeyError("a key\nof the \x1b[31muser" + "!" * 1000)
        return super().forward(x)


def with_batch_norm():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(FEATURES, 4), nn.BatchNorm1d(4), nn.Linear(4, CLASSES)
    )


class Squeezed(nn.Module):
    """A module whose logits lose the axis of examples if there is only one."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        return self.head(x.flatten(1)).squeeze()


def all_frozen():
    return Frozen().requires_grad_(False)


def detached():
    return Answers(lambda logits: logits.detach() + 1)


def on_meta():
    return nn.Linear(FEATURES, CLASSES, device="meta")


def complex_weights():
    return nn.Linear(FEATURES, CLASSES, dtype=torch.complex64)


def raising():
    raise FileNotFoundError("weights.pt")


REFUSED = {
    "a tuple": (lambda: Answers(lambda y: (y, y)), r"to a tuple, .*; return the logits alone"),
    "a dict in training": (
        lambda: Answers(lambda y: {"out": y}, training_only=True),
        r"maps 8 examples \(3, 8, 8\) in training mode to a dict, but must map them to logits "
        r"\(8, 3\); return the logits alone from forward\.",
    ),
    "another shape in training": (
        lambda: Answers(lambda y: y[:, :2], training_only=True),
        r"in training mode to \(8, 2\), but must map them to logits \(8, 3\)\.",
    ),
    "an exception in training": (
        lambda: Fails(nn.Flatten(), nn.Linear(FEATURES, CLASSES)),
        r"fails in training mode on 8 examples \(3, 8, 8\): 'a key",
    ),
    "all frozen": (all_frozen, r"no parameter of its module is trained; set requires_grad = True"),
    "detached": (detached, r"its output does not depend on any parameter that is trained"),
    "no parameters": (lambda: nn.Flatten(), r"no parameter of its module is trained"),
    "meta": (on_meta, r"parameter 'weight' has no values \(device meta\)"),
    "complex": (complex_weights, r"parameter 'weight' has complex numbers; .* real numbers\."),
    "factory raises": (raising, r"; the function fails: weights\.pt$"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_work_is_one_line_and_nothing_is_written(of_images, tmp_path, kind):
    factory, complaint = REFUSED[kind]
    with pytest.raises(RecipeError, match=complaint) as caught:
        train(of_module(of_images), tmp_path / "run", factory=factory)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 500
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_last_batch_of_one_is_tried_before_anything_is_written(of_images, tmp_path):
    """Of 40 examples 7 are held out: with batches of 8, the last of 33 is a batch of its own."""
    recipe = of_module(of_images, data={"val": 7})
    expected = re.escape("The last batch of an epoch has 1 example, since there are 33 training")
    for factory in (with_batch_norm, Squeezed):
        with pytest.raises(RecipeError) as caught:
            train(recipe, tmp_path / "run", factory=factory)
        assert re.search(expected, str(caught.value)) or factory is Squeezed
        assert not (tmp_path / "run").exists()
    train(of_module(of_images), tmp_path / "run", factory=with_batch_norm)


def test_evaluation_is_tried_with_the_last_batch_of_every_split(of_images, tmp_path):
    """With one validation example, the module is evaluated on one example."""

    class SqueezedInEvaluation(Squeezed):
        def forward(self, x):
            logits = self.head(x.flatten(1))
            return logits if self.training else logits.squeeze()

    recipe = of_module(of_images, data={"val": 1})
    with pytest.raises(RecipeError, match=r"1 example \(3, 8, 8\) in evaluation mode to \(3,\)"):
        train(recipe, tmp_path / "run", factory=SqueezedInEvaluation)


def test_a_trial_changes_neither_the_weights_nor_the_random_numbers(of_images):
    recipe = of_module(of_images)
    session = Session.of(recipe, factory=lazy)
    before = session.lane_group(session.groups()[0]).snapshot(0)[0]
    generator = torch.get_rng_state()
    session._try_module()
    assert torch.equal(torch.get_rng_state(), generator)
    after = session.lane_group(session.groups()[0]).snapshot(0)[0]
    assert all(torch.equal(before[name], after[name]) for name in before)
