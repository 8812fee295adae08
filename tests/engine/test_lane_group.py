import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from jtdiag import names
from jtdiag.engine import lane_group, seeds
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes
from jtdiag.testing import TOY, toy_data

EXAMPLES, VAL, TEST = 100, 20, 40


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path, EXAMPLES, TEST)
    return path


def session(npz, **changes):
    table = {**TOY, "data": {**TOY["data"], "name": str(npz)}}
    for key, value in changes.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) else value
    return Session.of(from_table(table))


def group(made, which=None):
    every = lanes.lanes_of(made.recipe)
    which = every if which is None else [every[i] for i in which]
    return LaneGroup(made.recipe, which, made.data, made.stack, made.device)


# --- the slow, obvious version -----------------------------------------------------------------


class OneLane:
    """A lane as a loop over networks, with torch.optim.SGD and a list of cross-entropies."""

    def __init__(self, made, lane):
        self.recipe, self.lane, data = made.recipe, lane, made.data
        self.lam = self.recipe.lam[lane.lam_index]
        self.x, self.y = data.part("train").x, data.part("train").y
        self.at = data.positions("train", lane.trial)
        generator = seeds.generator(self.recipe.seed, seeds.Purpose.WEIGHTS, lane.trial)
        initial = made.stack.initial(generator)
        self.networks = [self._network(initial, j) for j in range(self.recipe.members.count)]
        train = self.recipe.train
        self.optimizer = torch.optim.SGD(
            [p for network in self.networks for p in network.parameters()],
            lr=train.lr[lane.lam_index if len(train.lr) > 1 else 0],
            momentum=train.momentum,
            nesterov=train.nesterov,
            weight_decay=train.weight_decay,
        )
        self.scheduler = torch.optim.lr_scheduler.MultiStepLR(
            self.optimizer, train.milestones, train.lr_factor
        )

    def _network(self, initial, member):
        parts, dtype = [], self.x.dtype
        for i in range(1, len(initial) // 2 + 1):
            weight, bias = initial[f"layer{i}.weight"][member], initial[f"layer{i}.bias"][member]
            linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=dtype)
            linear.weight.data, linear.bias.data = weight.to(dtype), bias.to(dtype)
            parts += [linear, nn.ReLU()]
        return nn.Sequential(*parts[:-1])

    def train_epoch(self, epoch):
        """Take an epoch's steps and return means over its examples, each before its update."""
        count, batch = len(self.at), self.recipe.train.batch
        order = seeds.batch_order(count, self.recipe.seed, self.lane.trial, epoch)
        sums = {"loss": np.zeros(len(self.networks)), "error": np.zeros(len(self.networks))}
        together = {"loss": 0.0, "error": 0.0}
        for start in range(0, count, batch):
            at = self.at[order[start : start + batch]]
            x, y = self.x[at], self.y[at]
            logits = [network(x) for network in self.networks]
            mean = sum(logits) / len(logits)
            members = [functional.cross_entropy(one, y) for one in logits]
            ensemble = functional.cross_entropy(mean, y)
            sums["loss"] += [len(y) * float(one.detach()) for one in members]
            sums["error"] += [int((one.argmax(1) != y).sum()) for one in logits]
            together["loss"] += len(y) * float(ensemble.detach())
            together["error"] += int((mean.argmax(1) != y).sum())
            self.optimizer.zero_grad()
            (self.lam * ensemble + (1 - self.lam) * sum(members) / len(members)).backward()
            self.optimizer.step()
        self.scheduler.step()
        return {
            names.MEMBER_LOSS: sums["loss"] / count,
            names.MEMBER_ERROR: sums["error"] / count,
            names.ENSEMBLE_LOSS: together["loss"] / count,
            names.ENSEMBLE_ERROR: together["error"] / count,
        }

    def weights(self):
        """Weights (M, …) by the names of the stack."""
        found = {}
        for i in range(1, len(self.networks[0]) // 2 + 2):
            layers = [network[2 * i - 2] for network in self.networks]
            found[f"layer{i}.weight"] = torch.stack([layer.weight for layer in layers])
            found[f"layer{i}.bias"] = torch.stack([layer.bias for layer in layers])
        return found


CASES = {
    "one lane": {"lam": 0.5, "trials": 1, "train": {"lr": 0.3}},
    "lambdas of their own rates": {
        "lam": [0, 0.5, 1],
        "trials": 1,
        "train": {"lr": [0.6, 0.3, 0.1]},
    },
    "two hidden layers and trials": {
        "lam": [1, 0],
        "trials": 2,
        "members": {"count": 3, "hidden": [6, 5]},
        "train": {"lr": [0.2, 0.4]},
    },
    "nesterov, decay and milestones": {
        "lam": [0, 0.9],
        "trials": 1,
        "train": {
            "nesterov": True, "weight_decay": 1e-3, "milestones": [2, 7], "lr_factor": 0.5,
        },
    },
    "a linear model": {"lam": [0, 1], "trials": 1, "members": {"hidden": []}},
    "a short last batch": {"lam": [0, 0.9], "trials": 2, "train": {"batch": 30}},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_50_steps_of_a_stack_are_those_of_a_loop_over_networks(npz, case):
    made = session(npz, **CASES[case])
    stacked = group(made)
    slow = [OneLane(made, lane) for lane in stacked.lanes]
    steps = 0
    for epoch in range(1, 18 if case == "a short last batch" else 11):
        steps += -(-(EXAMPLES - VAL) // made.recipe.train.batch)
        rows = stacked.train_epoch(epoch)
        expected = [lane.train_epoch(epoch) for lane in slow]
        for name, values in rows.items():
            book = np.stack([row[name] for row in expected])
            np.testing.assert_allclose(values, book, rtol=0, atol=1e-10, err_msg=name)
    assert steps >= 50
    for index, lane in enumerate(slow):
        found, _ = stacked.snapshot(index)
        for name, expected in lane.weights().items():
            assert (found[name] - expected).abs().max() < 1e-10


def test_in_single_precision_the_stack_stays_close_to_the_loop(npz):
    made = session(npz, lam=[0, 1], trials=1, engine={"precision": "float32"})
    stacked = group(made)
    slow = [OneLane(made, lane) for lane in stacked.lanes]
    for epoch in (1, 2):
        stacked.train_epoch(epoch)
        for lane in slow:
            lane.train_epoch(epoch)
    for index, lane in enumerate(slow):
        found, _ = stacked.snapshot(index)
        for name, expected in lane.weights().items():
            assert found[name].dtype == torch.float32
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5)


# --- where lanes start ---------------------------------------------------------------------------


def test_all_lambdas_of_a_trial_start_from_equal_weights(npz):
    made = group(session(npz, lam=[0, 0.5, 1], trials=2))
    trials = [lane.trial for lane in made.lanes]
    assert trials == [0, 0, 0, 1, 1, 1]
    for weight in made.weights.values():
        for a, b in ((0, 1), (0, 2), (3, 4), (3, 5)):
            assert torch.equal(weight[a], weight[b])
        assert not torch.equal(weight[0], weight[3])


def test_weights_start_the_same_in_every_precision_up_to_rounding(npz):
    wide = group(session(npz)).weights
    narrow = group(session(npz, engine={"precision": "float32"})).weights
    for name in wide:
        assert narrow[name].dtype == torch.float32
        assert torch.equal(wide[name].float(), narrow[name])


def test_another_seed_starts_elsewhere(npz):
    a, b = group(session(npz, seed=1)).weights, group(session(npz, seed=2)).weights
    assert not any(torch.equal(a[name], b[name]) for name in a)


# --- a lane is its own ---------------------------------------------------------------------------


def trained(made, which, epochs=3):
    stacked = group(made, which)
    for epoch in range(1, epochs + 1):
        stacked.train_epoch(epoch)
    return stacked


@pytest.mark.slow
def test_a_lane_does_not_depend_on_the_lanes_beside_it(npz):
    made = session(npz, lam=[0, 0.9, 1], trials=2, train={"lr": [0.5, 0.3, 0.1]})
    together = trained(made, range(6))
    for index in range(6):
        alone, _ = trained(made, [index]).snapshot(0)
        beside, _ = together.snapshot(index)
        for name in alone:
            torch.testing.assert_close(beside[name], alone[name], rtol=0, atol=1e-12)


def test_lanes_of_a_trial_see_the_same_batches_and_trials_their_own(npz):
    made = session(npz, trials=2)
    stacked = group(made)
    order = stacked._order(3)
    assert torch.equal(order[0], order[1])
    assert not torch.equal(order[0], order[3])
    assert order[0].tolist() != stacked._order(4)[0].tolist()
    for row, lane in zip(order, stacked.lanes, strict=True):
        seen = made.data.positions("train", lane.trial)
        assert sorted(row.tolist()) == seen.tolist()


# --- measuring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("piece", [1000, 7])
def test_measuring_is_a_loop_over_networks(npz, monkeypatch, split, piece):
    monkeypatch.setattr(lane_group, "EVALUATION_BATCH", piece)
    made = session(npz, lam=[0, 1], trials=2)
    stacked = trained(made, range(4), epochs=1)
    found = stacked.measure(split, torch.float64)
    examples = {"train": EXAMPLES - VAL, "val": VAL, "test": TEST}[split]
    assert found.logits.shape == (4, 3, 3, examples)
    assert not found.logits.requires_grad, "no graph is kept"
    for index, lane in enumerate(stacked.lanes):
        slow = OneLane(made, lane)
        slow.train_epoch(1)
        part, at = made.data.part(split), made.data.positions(split, lane.trial)
        with torch.no_grad():
            logits = torch.stack([network(part.x[at]) for network in slow.networks])
        y = part.y[at]
        torch.testing.assert_close(found.logits[index].transpose(1, 2), logits, rtol=0, atol=1e-12)
        losses = [float(functional.cross_entropy(one, y)) for one in logits]
        errors = [float((one.argmax(1) != y).double().mean()) for one in logits]
        mean = logits.mean(0)
        rows = {name: values[index] for name, values in found.rows.items()}
        np.testing.assert_allclose(rows[names.MEMBER_LOSS], losses, rtol=1e-12)
        np.testing.assert_allclose(rows[names.MEMBER_ERROR], errors, rtol=1e-12)
        ensemble = float(functional.cross_entropy(mean, y))
        assert rows[names.ENSEMBLE_LOSS] == pytest.approx(ensemble, rel=1e-12)
        error = float((mean.argmax(1) != y).double().mean())
        assert rows[names.ENSEMBLE_ERROR] == pytest.approx(error, rel=1e-12)


def test_logits_are_kept_only_when_asked_for_and_in_the_type_asked_for(npz):
    stacked = group(session(npz))
    assert stacked.measure("test").logits is None
    half, whole = (stacked.measure("test", t).logits for t in (torch.float16, torch.float64))
    assert half.dtype == torch.float16
    assert torch.equal(half, whole.half())


def test_measuring_does_not_move_training(npz):
    made = session(npz)
    before = torch.get_rng_state()
    measured, blind = group(made), group(made)
    for epoch in (1, 2, 3):
        for split in ("train", "val", "test"):
            measured.measure(split, torch.float32)
        assert all(
            np.array_equal(a, b)
            for a, b in zip(
                measured.train_epoch(epoch).values(),
                blind.train_epoch(epoch).values(),
                strict=True,
            )
        )
    for name, weight in measured.weights.items():
        assert torch.equal(weight, blind.weights[name])
        velocity = f"velocity/{name}"
        assert torch.equal(measured.memory[velocity], blind.memory[velocity])
    assert torch.equal(torch.get_rng_state(), before)


# --- going on ------------------------------------------------------------------------------------


def test_a_group_that_takes_over_the_state_of_another_goes_on_as_it_would_have(npz):
    made = session(npz)
    whole = trained(made, None, epochs=4)
    first, second = trained(made, None, epochs=2), group(made)
    states = []
    for index in range(len(first.lanes)):
        weights, memory = first.snapshot(index)
        state = {f"weight/{n}": t.numpy() for n, t in weights.items()}
        states.append(state | {f"memory/{n}": t.numpy() for n, t in memory.items()})
    second.restore(states)
    for epoch in (3, 4):
        second.train_epoch(epoch)
    for name, weight in whole.weights.items():
        assert torch.equal(second.weights[name], weight)
        velocity = f"velocity/{name}"
        assert torch.equal(second.memory[velocity], whole.memory[velocity])


def test_a_snapshot_stays_as_it_was_while_training_goes_on(npz):
    stacked = trained(session(npz), None, epochs=1)
    weights, memory = stacked.snapshot(2)
    assert memory.keys() == {f"velocity/{n}" for n in weights}
    assert all(torch.equal(w, stacked.weights[n][2]) for n, w in weights.items())
    before = [{n: t.clone() for n, t in kind.items()} for kind in (weights, memory)]
    stacked.train_epoch(2)
    for kept, now in zip(before, (weights, memory), strict=True):
        assert all(torch.equal(kept[name], now[name]) for name in kept)
    assert not any(torch.equal(w, stacked.weights[n][2]) for n, w in weights.items())
