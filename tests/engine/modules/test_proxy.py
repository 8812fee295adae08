"""Modules trained one after the other, on features of frozen ones."""

import hashlib

import numpy as np
import pytest
import torch
import xarray as xr

from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.modules import frozen_features
from jtdiag.engine.modules.proxy_credit import Proxy
from jtdiag.engine.session import Session
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.engine.train import train
from jtdiag.errors import RecipeError
from jtdiag.rules import VerdictLog
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane
from jtdiag.store.writer import RunWriter

MLP = {"arch": "mlp", "count": 3, "hidden": [7, 6], "norm": "batch"}
PROXY = {"credit": "proxy", "epochs": [1, 1, 1]}
LOSSES = ("al", "nmse", "raw", "neo", "cts")


@pytest.fixture
def recipe_of(of_images):
    def make(modules=None, **changes):
        chosen = {**PROXY, **(modules or {})}
        train = {"epochs": sum(chosen["epochs"]), **changes.pop("train", {})}
        return of_images(**{"members": MLP, "modules": chosen, "train": train, **changes})

    return make


@pytest.fixture
def group_of(recipe_of):
    def make(modules=None, **changes):
        made = Session.of(recipe_of(modules, **changes))
        every = lanes.lanes_of(made.recipe)
        return LaneGroup(made.recipe, every, made.data, made.stack, made.device)

    return make


def hashed(group, layers):
    """A hash of all parameters and buffers of some layers."""
    digest = hashlib.sha256()
    for name in sorted(group._state):
        if name.startswith(layers):
            digest.update(group._state[name].detach().numpy().tobytes())
    return digest.hexdigest()


OF_MODULE = [("layer1.", "norm1."), ("layer2.", "norm2."), ("layer3.",)]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_epoch_changes_its_own_module_alone(group_of, loss):
    group = group_of({"loss": loss}, train={"weight_decay": 0.01})
    for epoch in (1, 2, 3):
        before = [hashed(group, layers) for layers in OF_MODULE]
        group.train_epoch(epoch)
        after = [hashed(group, layers) for layers in OF_MODULE]
        assert [a != b for a, b in zip(after, before, strict=True)] == [
            epoch == 1,
            epoch == 2,
            epoch == 3,
        ]


def test_a_proxy_rises(group_of):
    group = group_of({"epochs": [30, 1, 1]}, train={"lr": 0.5, "batch": 32})
    values = []
    credit = group._modules.network.credit
    true = credit.proxy

    def recorded(features, batch):
        value, defined = true(features, batch)
        values.append(value.detach().mean().item())
        return value, defined

    credit.proxy = recorded
    for epoch in range(1, 31):
        group.train_epoch(epoch)
    assert values[-1] > values[0] + 0.2


def test_the_proxy_of_the_module_that_is_trained_is_a_metric(tmp_path, recipe_of):
    run = train(recipe_of({"epochs": [2, 1, 1]}), tmp_path / "run")
    values = run.metrics()["proxy"]
    assert values.dims == ("lam", "trial", "epoch", "member", "module")
    measured = np.isfinite(values).all(["lam", "trial", "member"]).values.tolist()
    assert measured == [
        [False, False, False],  # before training
        [True, False, False],
        [True, False, False],
        [False, True, False],
        [False, False, False],  # the head has no proxy
    ]
    first = values.isel(module=0).sel(epoch=[1, 2]).mean(["lam", "trial", "member"])
    assert 0 < float(first[0]) < float(first[1]) <= 1


def test_batches_without_a_pair_of_a_class_are_no_part_of_the_metric(group_of):
    """The alignment of a single pair of one class is 1, whatever its features."""
    members = {**MLP, "norm": "none"}  # normalized over two examples, features are orthogonal
    group = group_of(members=members, train={"batch": 2, "lr": 1e-9})
    values = group.train_epoch(1)["proxy"][..., 0]
    np.testing.assert_allclose(values, 1, atol=1e-12)


def test_nan_above_a_module_leaves_its_update_unchanged(group_of):
    clean, spoiled = group_of(), group_of()
    for name, tensor in spoiled._state.items():
        if not name.startswith(OF_MODULE[0]) and tensor.is_floating_point():
            tensor.data.fill_(float("nan"))
    clean.train_epoch(1), spoiled.train_epoch(1)
    assert hashed(clean, OF_MODULE[0]) == hashed(spoiled, OF_MODULE[0])


def test_kept_features_are_those_that_are_computed(group_of, monkeypatch):
    kept = group_of()
    monkeypatch.setattr(frozen_features, "LARGEST_CACHE", 0)
    computed = group_of()
    for epoch in (1, 2, 3):
        monkeypatch.setattr(frozen_features, "LARGEST_CACHE", 2**30)
        first = kept.train_epoch(epoch)
        monkeypatch.setattr(frozen_features, "LARGEST_CACHE", 0)
        second = computed.train_epoch(epoch)
        for name in first:
            np.testing.assert_allclose(first[name], second[name], rtol=1e-9)
    for name, tensor in kept._state.items():
        torch.testing.assert_close(tensor, computed._state[name], atol=1e-11, rtol=1e-9)


def test_while_the_head_trains_features_of_evaluated_examples_are_kept(group_of, monkeypatch):
    kept, computed = (group_of({"epochs": [1, 1, 2]}) for _ in range(2))
    for epoch in range(1, 5):
        monkeypatch.setattr(frozen_features, "LARGEST_CACHE", 2**30)
        kept.train_epoch(epoch)
        first = kept.measure("test", keep=torch.float64)
        held = [h.clone() for features in kept._modules._evaluated.values() for h in features]
        assert bool(held) == (epoch > 2)
        computed.train_epoch(epoch)
        monkeypatch.setattr(frozen_features, "LARGEST_CACHE", 0)
        second = computed.measure("test", keep=torch.float64)
        assert not computed._modules._evaluated
        assert torch.equal(first.logits, second.logits)
        for name in first.rows:
            np.testing.assert_array_equal(first.rows[name], second.rows[name])


def test_features_of_weights_that_were_replaced_are_not_used(group_of):
    group, other = group_of(), group_of(seed=5)
    for each in (group, other):
        for epoch in (1, 2, 3):
            each.train_epoch(epoch)
        each.measure("test")
    states = [
        {
            **{f"weight/{name}": tensor for name, tensor in weights.items()},
            **{f"memory/{name}": tensor for name, tensor in memory.items()},
        }
        for weights, memory in (other.snapshot(0), other.snapshot(1))
    ]
    group.restore([{name: tensor.numpy() for name, tensor in state.items()} for state in states])
    ours, theirs = (each.measure("test", keep=torch.float64).logits for each in (group, other))
    assert torch.equal(ours, theirs)


def test_hidden_modules_are_the_same_at_every_lambda(group_of):
    group = group_of()
    for epoch in (1, 2, 3):
        group.train_epoch(epoch)
    first, second = (
        {name: tensor[lane].detach() for name, tensor in group._state.items()} for lane in (0, 1)
    )
    for name, tensor in first.items():
        same = torch.equal(tensor, second[name])
        assert same is not name.startswith("layer3"), name


def test_at_lambda_0_members_are_runs_of_one_member(group_of):
    every = group_of(lam=[0.0], train={"momentum": 0.9, "lr": 0.3})
    one = group_of(lam=[0.0], members={**MLP, "count": 1}, train={"momentum": 0.9, "lr": 0.1})
    for name, tensor in one._state.items():
        tensor.data.copy_(every._state[name][:, 2:3])
    for epoch in (1, 2, 3):
        every.train_epoch(epoch), one.train_epoch(epoch)
    for name, tensor in one._state.items():
        torch.testing.assert_close(every._state[name][:, 2:3], tensor, atol=1e-11, rtol=1e-9)


def test_each_module_begins_its_own_schedule(recipe_of):
    recipe = recipe_of({"epochs": [2, 3, 4]}, train={"schedule": "cosine", "warmup": 1, "lr": 1.0})
    rates = [recipe.lr(0, epoch) for epoch in range(1, 10)]
    assert [rates[i] for i in (0, 2, 5)] == [1.0, 1.0, 1.0]
    assert rates[1] == 1.0
    assert rates[3:5] == [1.0, 0.5]


class StopAfter(StopRequest):
    """Requests a stop once some epochs are done."""

    def __init__(self, epochs):
        super().__init__()
        self.left = epochs

    def between_epochs(self):
        self.left -= 1
        if self.left < 0:
            raise TrainingStopped


@pytest.mark.parametrize("pairs", [0.3, 1.0])
def test_a_run_resumed_within_the_second_module_is_the_uninterrupted_one(
    tmp_path, recipe_of, pairs
):
    recipe = recipe_of(
        {"epochs": [1, 2, 1], "pairs": pairs}, train={"optimiser": "adamw", "lr": 0.01}
    )
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        train(recipe, tmp_path / "parts", stop=StopAfter(3))  # epochs 0, 1 and 2
    parts = train(recipe, tmp_path / "parts", resume=True)
    xr.testing.assert_identical(whole.metrics(), parts.metrics())
    for lane in whole.lanes:
        first, second = whole.checkpoint(lane, 4), parts.checkpoint(lane, 4)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


ADAMW = {"optimiser": "adamw", "lr": 0.01, "weight_decay": 0.01}
THREE = {"lam": [0.0, 0.6, 1.0], "keep": {"splits": ["test", "train"]}}


def assert_same_lane(found, index, expected):
    """Compare everything that two stores have of a lane, at λ number `index` and the only one."""
    first, second = (xr.open_datatree(run.path / "store.zarr") for run in (found, expected))
    assert first.groups == second.groups
    for group in first.groups:
        for name, values in first[group].data_vars.items():
            own = values.isel(lam=index) if "lam" in values.dims else values
            other = second[group][name]
            other = other.isel(lam=0) if "lam" in other.dims else other
            np.testing.assert_array_equal(own, other, err_msg=f"{group}/{name}")
    for trial in range(2):
        seals = found.seal(Lane(trial, index)), expected.seal(Lane(trial, 0))
        assert seals[0] == seals[1]


def test_hidden_modules_are_trained_once_for_all_lambdas_of_a_trial(
    tmp_path, recipe_of, monkeypatch
):
    steps, true = [0, 0, 0], Proxy.step

    def counted(self, batch):
        if batch.epoch:  # 0: a step that is only timed
            steps[self._recipe.phase(batch.epoch)[0]] += 1
        return true(self, batch)

    monkeypatch.setattr(Proxy, "step", counted)
    modules, changes = {"epochs": [2, 1, 1]}, {**THREE, "trials": 2, "train": ADAMW}
    run = train(recipe_of(modules, **changes), tmp_path / "run")
    trials, of_lanes, batches = 2, 6, 4
    assert steps == [2 * batches * trials, 1 * batches * trials, 1 * batches * of_lanes]
    for index, lam in enumerate(THREE["lam"]):
        alone = recipe_of(modules, **{**changes, "lam": [lam]})
        assert_same_lane(run, index, train(alone, tmp_path / f"alone-{index}"))


class KilledError(Exception):
    """In place of a signal that ends the process."""


@pytest.mark.parametrize("written", [1, 3, 4, 6, 7, 9])  # 6: the heads begin; 9: in the second one
def test_a_run_killed_between_two_lanes_and_resumed_is_the_uninterrupted_one(
    tmp_path, recipe_of, monkeypatch, written
):
    recipe = recipe_of({"epochs": [1, 1, 2]}, lam=[0.0, 1.0], trials=1, train=ADAMW)
    whole = train(recipe, tmp_path / "whole")
    left, true = [written], RunWriter.write

    def killing(self, block):
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        true(self, block)

    monkeypatch.setattr(RunWriter, "write", killing)
    with pytest.raises(KilledError):
        train(recipe, tmp_path / "parts")
    monkeypatch.setattr(RunWriter, "write", true)
    parts = train(recipe, tmp_path / "parts", resume=True)
    first, second = (xr.open_datatree(run.path / "store.zarr") for run in (whole, parts))
    xr.testing.assert_equal(first, second)  # attributes have times
    assert [whole.seal(lane) for lane in whole.lanes] == [parts.seal(lane) for lane in parts.lanes]


def test_the_best_epoch_is_one_in_which_the_heads_have_begun(tmp_path, recipe_of):
    run = train(recipe_of({"epochs": [2, 2, 1]}), tmp_path / "run")
    trained = run.metrics()["training_module"]
    assert trained.dims == ("lam", "trial", "epoch")
    np.testing.assert_array_equal(trained[0, 0], [np.nan, 0, 0, 1, 1, 2])
    facts = xr.open_zarr(run.path / "store.zarr", group="modules", consolidated=False)
    assert facts.trained_until.values.tolist() == [2, 4, 5]
    assert {run.seal(lane).best for lane in run.lanes} == {5}


def test_rules_say_nothing_before_the_heads_train(tmp_path, recipe_of):
    run = train(recipe_of({"epochs": [4, 3, 1]}, train={"lr": 1e-9}), tmp_path / "run")
    history = run.history(Lane(lam_index=0, trial=0))
    assert history.head_from == 7
    log = VerdictLog()
    for epoch in range(8):
        rules = {verdict.rule for verdict in log.judge("lane", history.until(epoch))}
        assert rules <= {"dead-rows"}  # it is about features, not about heads
    later = run.history(Lane(lam_index=0, trial=0)).with_heads()
    assert later.epoch.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("modules", "changes", "advice"),
    [
        ({"epochs": [1, 1]}, {}, "epochs lists 2 modules, and members have 3"),
        ({"loss": "neo"}, {"members": {**MLP, "activation": "tanh"}}, "Use 'al', or activation"),
    ],
)
def test_what_does_not_fit_the_members_is_refused(tmp_path, recipe_of, modules, changes, advice):
    with pytest.raises(RecipeError, match=advice):
        train(recipe_of(modules, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("modules", "advice"),
    [
        ({"credit": "proxy"}, "list the epochs of each in modules.epochs"),
        ({"credit": "proxy", "epochs": [1, 1]}, "adds up to 2, and train.epochs is 7"),
        ({"credit": "proxy", "epochs": [3, 4], "mu": 0.5}, "modules.mu is set, but modules.credit"),
    ],
)
def test_epochs_that_do_not_add_up_are_refused(of_images, modules, advice):
    with pytest.raises(RecipeError, match=advice):
        of_images(members=MLP, modules=modules, train={"epochs": 7})
