import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from jtdiag import names
from jtdiag.engine import seeds
from jtdiag.engine.datasets import bootstrap
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.progress import NullListener
from jtdiag.engine.session import Session
from jtdiag.engine.train import train
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes
from jtdiag.testing import TOY, toy_data

MODES = ("weights", "batches")


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    return path


def bagged(npz, **changes):
    """The toy's recipe with bagged members, 80 training examples."""
    table = {**TOY, "lam": [0.0], "scheme": "bagging", "data": {**TOY["data"], "name": str(npz)}}
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return from_table(table)


def group(recipe, which=slice(None)):
    made = Session.of(recipe)
    every = lanes.lanes_of(recipe)[which]
    micro_members = made.micro_members
    return LaneGroup(recipe, every, made.data, made.stack, made.device, micro_members=micro_members)


# --- the draws -----------------------------------------------------------------------------------


def test_every_member_draws_as_many_examples_as_there_are():
    found = bootstrap.counts(500, range(20), seed=3, trial=1)
    assert found.shape == (20, 500)
    assert (found.long().sum(1) == 500).all()
    assert (found >= 0).all()


def test_counts_have_the_moments_of_a_multinomial_of_equal_chances():
    n, members = 400, 300
    found = bootstrap.counts(n, range(members), seed=0, trial=0).double().numpy()
    # Mean 1, variance 1 − 1/N, covariance −1/N; a count is 0 with chance (1 − 1/N)^N. The limits
    # are five standard errors: of x² the variance is near 11, of products near 1.
    entries = n * members
    assert (found**2).mean() - 1 == pytest.approx(1 - 1 / n, abs=5 * (11 / entries) ** 0.5)
    assert (found == 0).mean() == pytest.approx((1 - 1 / n) ** n, abs=5 * (0.25 / entries) ** 0.5)
    assert found.mean(0) == pytest.approx(1, abs=5 / members**0.5)
    neighbours = ((found[:, 1:] - 1) * (found[:, :-1] - 1)).mean()
    assert neighbours == pytest.approx(-1 / n, abs=5 / entries**0.5)


def test_counts_are_those_of_the_same_draws_one_by_one():
    slow = np.zeros(50, dtype=int)
    generator = seeds.generator(5, seeds.Purpose.BOOTSTRAP, 2, 1)
    for example in torch.randint(50, (50,), generator=generator).tolist():
        slow[example] += 1
    assert bootstrap.counts(50, range(3), seed=5, trial=2)[1].tolist() == slow.tolist()


def test_members_and_trials_and_seeds_draw_differently_and_more_members_change_no_draw():
    first = bootstrap.counts(100, range(4), seed=0, trial=0)
    assert len({tuple(row) for row in first.tolist()}) == 4
    assert torch.equal(bootstrap.counts(100, range(9), seed=0, trial=0)[:4], first)
    for other in ({"seed": 1, "trial": 0}, {"seed": 0, "trial": 1}):
        assert not torch.equal(bootstrap.counts(100, range(4), **other), first)


# --- the slow, obvious versions ------------------------------------------------------------------


class Loop:
    """A lane of bagged members one by one, on copies of the examples that each has drawn."""

    def __init__(self, made, lane, batch):
        recipe, data = made.recipe, made.data
        self.seed, self.lane, self.batch = recipe.seed, lane, batch
        self.x, self.y = data.part("train").x, data.part("train").y
        self.at = data.positions("train", lane.trial)
        self.counts = bootstrap.counts(
            len(self.at), range(recipe.members.count), recipe.seed, lane.trial
        ).long()
        generator = seeds.generator(recipe.seed, seeds.Purpose.WEIGHTS, lane.trial)
        initial = made.stack.initial(generator)
        self.networks = [self._network(initial, j) for j in range(recipe.members.count)]
        self.optimizers = [
            torch.optim.SGD(network.parameters(), lr=recipe.train.lr[0], momentum=0.9)
            for network in self.networks
        ]

    def _network(self, initial, member):
        layers = []
        for i in (1, 2):
            weight, bias = initial[f"layer{i}.weight"][member], initial[f"layer{i}.bias"][member]
            layers.append(nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64))
            layers[-1].weight.data, layers[-1].bias.data = weight.clone(), bias.clone()
        return nn.Sequential(layers[0], nn.ReLU(), layers[1])

    def step(self, member, examples, divisor):
        """Take a member's step: the sum of its losses, over a divisor and over M."""
        network, optimizer = self.networks[member], self.optimizers[member]
        at = self.at[examples]
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(self.x[at]), self.y[at], reduction="sum")
        (loss / divisor / len(self.networks)).backward()
        optimizer.step()

    def order(self, epoch):
        return seeds.batch_order(len(self.at), self.seed, self.lane.trial, epoch)

    def common_batches(self, epoch):
        """Every member sees the common batch, with an example as often as it has drawn it."""
        for examples in self.order(epoch).split(self.batch):
            for j, counts in enumerate(self.counts):
                copies = examples.repeat_interleave(counts[examples])
                self.step(j, copies, len(examples))

    def own_batches(self, epoch):
        """Every member goes through its own sample in batches."""
        for j, counts in enumerate(self.counts):
            sample = torch.arange(len(self.at)).repeat_interleave(counts)
            for examples in sample[self.order(epoch)].split(self.batch):
                self.step(j, examples, len(examples))

    def weights(self, name):
        layer, kind = name.split(".")
        at = {"layer1": 0, "layer2": 2}[layer]
        return torch.stack([getattr(network[at], kind) for network in self.networks])


@pytest.mark.slow
@pytest.mark.parametrize("batch", [16, 30])  # 80 examples: even batches, and a short last one
@pytest.mark.parametrize("mode", MODES)
def test_bagging_is_a_loop_over_members_on_duplicated_examples(npz, mode, batch):
    recipe = bagged(npz, bootstrap=mode, train={"batch": batch})
    made = Session.of(recipe)
    for lane in lanes.lanes_of(recipe):
        stacked = LaneGroup(recipe, [lane], made.data, made.stack, made.device)
        slow = Loop(made, lane, batch)
        for epoch in (1, 2, 3):
            stacked.train_epoch(epoch)
            slow.common_batches(epoch) if mode == "weights" else slow.own_batches(epoch)
        for name, weights in stacked.weights.items():
            torch.testing.assert_close(weights[0], slow.weights(name), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_in_one_batch_of_all_the_loss_is_the_mean_over_the_bootstrap(npz, mode):
    recipe = bagged(npz, bootstrap=mode, train={"batch": 80, "momentum": 0.9})
    made, [lane] = Session.of(recipe), lanes.lanes_of(recipe)[:1]
    stacked = LaneGroup(recipe, [lane], made.data, made.stack, made.device)
    slow = Loop(made, lane, 80)
    stacked.train_epoch(1)
    for j, counts in enumerate(slow.counts):
        slow.step(j, torch.arange(80).repeat_interleave(counts), 80)
    for name, weights in stacked.weights.items():
        torch.testing.assert_close(weights[0], slow.weights(name), rtol=1e-12, atol=1e-13)


def test_lanes_side_by_side_have_the_bootstraps_of_their_own_trials(npz):
    recipe = bagged(npz)
    together = group(recipe)
    together.train_epoch(1)
    for i in range(2):
        alone = group(recipe, slice(i, i + 1))
        alone.train_epoch(1)
        for name, weights in alone.weights.items():
            torch.testing.assert_close(weights[0], together.weights[name][i])


# --- every example once: independent training ----------------------------------------------------


def everything_once(monkeypatch):
    def ones(examples, members, seed, trial):
        return torch.ones((len(members), examples), dtype=torch.int16)

    monkeypatch.setattr(bootstrap, "counts", ones)


def trained(recipe, folder, **more):
    """Metrics and last weights of a run, by name."""
    run = train(recipe, folder, **more)
    found = {name: values.values for name, values in run.metrics().data_vars.items()}
    for lane in run.lanes:
        checkpoint = run.checkpoint(lane, recipe.train.epochs)
        found |= {f"{lane.key}/{name}": weights for name, weights in checkpoint.items()}
    return found


@pytest.mark.slow
def test_weights_of_one_are_independent_training_bit_for_bit(npz, tmp_path, monkeypatch):
    everything_once(monkeypatch)
    independent = trained(bagged(npz, scheme="joint"), tmp_path / "independent")
    weighted = trained(bagged(npz), tmp_path / "weighted")
    assert independent.keys() == weighted.keys()
    for name, values in independent.items():
        assert values.tobytes() == weighted[name].tobytes(), name


@pytest.mark.slow
def test_own_batches_of_every_example_once_are_independent_training(npz, tmp_path, monkeypatch):
    everything_once(monkeypatch)
    independent = trained(bagged(npz, scheme="joint"), tmp_path / "independent")
    own = trained(bagged(npz, bootstrap="batches"), tmp_path / "own")
    for name, values in independent.items():
        held_out = np.s_[..., 1:, :] if name.startswith("member") else np.s_[..., 1:]
        at = held_out if name in names.METRIC_VARIABLES else ...
        np.testing.assert_allclose(own[name][at], values[at], rtol=1e-11, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "members",
    [
        {"arch": "conv", "count": 3, "filters": [4, 5], "strides": [1, 2]},
        {"arch": "densenet", "count": 3, "depth": 10, "growth": 2},
    ],
    ids=lambda members: members["arch"],
)
@pytest.mark.parametrize("execution", ["stacked", "loop"])
def test_own_batches_of_images_are_the_common_ones_where_all_see_all(
    of_images, monkeypatch, members, execution
):
    everything_once(monkeypatch)
    common = {
        "lam": [0.0],
        "members": members,
        "data": {"augment": ["crop", "flip"]},
        "engine": {"execution": execution, "micro_members": 2},
    }
    recipes = (
        of_images(**common),
        of_images(scheme="bagging", bootstrap="batches", **common),
        of_images(scheme="bagging", **common),
    )
    groups = [group(recipe) for recipe in recipes]
    for one in groups:
        one.plan = type(one.plan)(execution=execution)
        one.train_epoch(1)
    for other in groups[1:]:
        for index, state in enumerate(groups[0].snapshot(0)):
            for name, tensor in other.snapshot(0)[index].items():
                torch.testing.assert_close(tensor, state[name], rtol=1e-9, atol=1e-11)


# --- what a run keeps ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_store_says_which_examples_every_member_has_seen(npz, tmp_path, mode):
    recipe = bagged(npz, bootstrap=mode, keep={"splits": ["train", "val", "test"]})
    run = train(recipe, tmp_path / "run")
    kept = run.tree["bootstrap"]
    assert kept["count"].dims == ("trial", "member", "example")
    for lane in run.lanes:
        drawn = bootstrap.counts(80, range(3), recipe.seed, lane.trial)
        assert kept["count"].sel(trial=lane.trial).values.tolist() == drawn.tolist()
        at = kept["source_index"].sel(trial=lane.trial).values
        assert set(at) == set(range(100)) - set(run.array("outputs/val/source_index")[lane.trial])
        assert at.tolist() == run.array("outputs/train/source_index")[lane.trial].tolist()
    assert run.check() > 0


@pytest.mark.slow
def test_other_schemes_keep_no_bootstrap(toy):
    assert "bootstrap" not in toy.tree.children


@pytest.mark.slow
def test_a_missing_chunk_of_the_counts_is_noticed(npz, tmp_path):
    run = train(bagged(npz, train={"epochs": 1}), tmp_path / "run")
    (run.path / "store.zarr" / "bootstrap" / "count" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(OSError, match="a chunk of a sealed epoch is missing"):
        run.check()


@pytest.mark.slow
def test_training_metrics_of_own_batches_are_measured_after_the_epoch(npz, tmp_path):
    recipe = bagged(npz, bootstrap="batches", keep={"splits": ["train", "test"]})
    run = train(recipe, tmp_path / "run")
    for lane in run.lanes:
        metrics = run.metrics().isel(lam=0, trial=lane.trial).sel(split="train")
        for epoch in (1, 4):
            [block] = run.outputs(lane, epoch, "train")
            wrong = (block.logits.argmax(-1) != block.target).mean(1)
            together = (block.logits.mean(0).argmax(-1) != block.target).mean()
            at = metrics.sel(epoch=epoch)
            np.testing.assert_allclose(at["member_error"], wrong, rtol=1e-12)
            np.testing.assert_allclose(at["ensemble_error"], together, rtol=1e-12)
    assert "after the epoch" in run.metrics()["member_error"].attrs["meaning"]


def test_members_with_batches_of_their_own_train_a_lane_at_a_time(npz):
    recipe = bagged(npz, bootstrap="batches", trials=3, engine={"lanes": 3})
    assert [len(one) for one in Session.of(recipe).groups()] == [1, 1, 1]


class Interrupting(NullListener):
    def epoch(self, report):
        if report.epoch == 2 and report.lane.trial == 1:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_an_interrupted_run_goes_on_to_the_same_numbers(npz, tmp_path, mode):
    recipe = bagged(npz, bootstrap=mode)
    whole = trained(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "again", listener=Interrupting())
    resumed = trained(recipe, tmp_path / "again", resume=True)
    for name, values in whole.items():
        assert values.tobytes() == resumed[name].tobytes(), name
