"""Members that begin unequal: the factors, what they multiply, and what a store records."""

import shutil

import numpy as np
import pytest
import torch
from scipy import stats

from jtdiag import names
from jtdiag.engine import seeds, starts
from jtdiag.engine.progress import NullListener
from jtdiag.engine.seeds import Purpose
from jtdiag.engine.session import Session
from jtdiag.engine.train import train
from jtdiag.errors import StoreError
from jtdiag.recipe.toml import from_table
from jtdiag.replay import Replay
from jtdiag.store import lanes
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data, toy_run

SPREAD = [0.5, 2.0]


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path, 100, 40)
    return path


def recipe(npz, members, **changes):
    table = {**TOY, "data": {**TOY["data"], "name": str(npz)}, **changes}
    return from_table({**table, "members": {**TOY["members"], **members}})


def seeded(members, **changes):
    return recipe("digits", {"count": 4, **members}, **changes)


# --- factors -------------------------------------------------------------------------------------


def test_factors_are_one_or_as_listed_or_drawn():
    assert starts.factors(seeded({}), 0).tolist() == [1, 1, 1, 1]
    assert starts.factors(seeded({"start": [1.6, 0.6, 0.6, 1]}), 3).tolist() == [1.6, 0.6, 0.6, 1]
    drawn = starts.factors(seeded({"start_spread": SPREAD}, seed=5), 2)
    by_hand = []
    for member in range(4):
        generator = seeds.generator(5, Purpose.START, 2, member)
        uniform = float(torch.rand(1, generator=generator, dtype=torch.float64))
        by_hand.append(0.5 * 4.0**uniform)
    np.testing.assert_allclose(drawn.numpy(), by_hand, rtol=1e-15)


def test_drawn_factors_are_uniform_in_the_logarithm():
    factors = torch.cat(
        [starts.factors(seeded({"count": 50, "start_spread": SPREAD}), t) for t in range(20)]
    ).numpy()
    assert factors.min() >= 0.5
    assert factors.max() <= 2
    # 1,000 draws from a fixed seed; a uniform factor instead of a log-uniform one gives p < 1e-9
    assert stats.kstest(np.log(factors), stats.uniform(np.log(0.5), np.log(4)).cdf).pvalue > 0.01
    assert stats.kstest(factors, stats.uniform(0.5, 1.5).cdf).pvalue < 1e-9


def test_factors_of_a_trial_and_member_are_its_own():
    few = starts.factors(seeded({"start_spread": SPREAD}), 1)
    many = starts.factors(seeded({"count": 9, "start_spread": SPREAD}), 1)
    assert torch.equal(few, many[:4])
    assert not torch.equal(few, starts.factors(seeded({"start_spread": SPREAD}), 2))
    assert not torch.equal(few, starts.factors(seeded({"start_spread": SPREAD}, seed=9), 1))


# --- what is multiplied --------------------------------------------------------------------------

STACKS = {
    "mlp": {"hidden": [5, 4]},
    "conv": {"filters": [2, 3], "strides": [1, 2]},
    "densenet": {"depth": 10, "growth": 2},
}


def members_of(arch, **more):
    return {"arch": arch, "count": 3, **STACKS[arch], **more}


@pytest.mark.parametrize("arch", STACKS)
def test_every_parameter_of_a_member_is_multiplied_and_no_buffer(arch):
    factors = [2.0, 0.5, 1.0]
    table = {k: v for k, v in TOY.items() if k not in ("data", "members")}
    made = from_table({**table, "data": {"name": "digits", "val": 10}, "members": members_of(arch)})
    unequal = from_table(
        {
            **table,
            "data": {"name": "digits", "val": 10},
            "members": members_of(arch, start=factors),
        }
    )
    stack = Session.of(made).stack
    plain, scaled = starts.initial(made, stack, 1), starts.initial(unequal, stack, 1)
    assert plain.keys() == scaled.keys()
    for name, tensor in plain.items():
        for member, factor in enumerate(factors):
            expected = tensor[member] * (factor if name in stack.parameters else 1)
            assert torch.equal(scaled[name][member], expected)
    assert arch != "densenet" or stack.buffers  # the case with buffers has some


def test_equal_starts_are_the_weights_of_the_stack(npz):
    made = recipe(npz, {})
    stack = Session.of(made).stack
    plain = stack.initial(seeds.generator(made.seed, Purpose.WEIGHTS, 0))
    for equal in ({}, {"start": "equal"}, {"start": [1] * made.members.count}):
        state = starts.initial(recipe(npz, equal), stack, 0)
        assert all(torch.equal(state[name], tensor) for name, tensor in plain.items())


def test_logits_of_a_perceptron_without_biases_grow_with_the_power_of_its_depth(npz):
    """ReLU networks are homogeneous: a factor c in each of d layers gives c^d in the logits."""
    plain = Session.of(recipe(npz, {"hidden": [6, 5]}))
    scaled = Session.of(recipe(npz, {"hidden": [6, 5], "start": [1.7, 1.0, 0.6]}))
    logits = []
    for session in (plain, scaled):
        state = starts.initial(session.recipe, session.stack, 0)
        state = {n: t * (0 if n.endswith("bias") else 1) for n, t in state.items()}
        x = session.data.part("train").x[:8].double()
        logits.append(session.stack({n: t[None] for n, t in state.items()}, x[None])[0])
    ratio = torch.tensor([1.7, 1.0, 0.6], dtype=torch.float64) ** 3
    torch.testing.assert_close(logits[1], logits[0] * ratio[:, None, None], rtol=1e-12, atol=1e-12)


# --- what a store records ------------------------------------------------------------------------


class StoppedError(Exception):
    """What ends a run before its time."""


class Stopping(NullListener):
    def __init__(self, after):
        self.left = after

    def epoch(self, report):
        self.left -= 1
        if self.left == 0:
            raise StoppedError


@pytest.mark.slow
def test_a_run_records_its_factors_and_begins_with_them(npz, tmp_path):
    unequal = recipe(npz, {"start_spread": SPREAD}, lam=[0, 1], trials=2)
    run, plain = train(unequal, tmp_path / "a"), train(recipe(npz, {}, lam=[0, 1]), tmp_path / "b")
    factors = run.start_factors()
    assert factors.dims == (names.TRIAL, names.MEMBER)
    for trial in range(2):
        np.testing.assert_array_equal(factors[trial], starts.factors(unequal, trial).numpy())
    np.testing.assert_array_equal(run.tree["members/start_factor"], factors)
    for (
        lane
    ) in run.lanes:  # from the store: the weights of epoch 0 are those of equal starts, times
        begun = Replay.of(run, lane, 0).weights
        for name, weight in Replay.of(plain, lane, 0).weights.items():
            factor = factors.values[lane.trial].reshape(-1, *[1] * (weight.ndim - 1))
            np.testing.assert_allclose(begun[name], weight.numpy() * factor, rtol=1e-6)
    assert run.metrics()[names.DISPLACEMENT].sel(epoch=0).max() == 0
    assert run.check() > 0


@pytest.mark.slow
def test_factors_of_another_run_are_refused(npz, tmp_path):
    """Their chunk is whole; only the recorded checksum tells that it is not the one."""
    runs = [
        train(recipe(npz, {"start_spread": SPREAD}, lam=[0], trials=1, seed=seed), tmp_path / key)
        for seed, key in enumerate("ab")
    ]
    chunk = "store.zarr/members/start_factor/c/0/0"
    shutil.copy(runs[1].path / chunk, runs[0].path / chunk)
    with pytest.raises(StoreError, match="start_factor/c/0/0"):
        Run(runs[0].path).start_factors()


def test_a_run_with_equal_starts_has_factors_of_one_and_no_array(tmp_path):
    run = toy_run(tmp_path, trials=2, lam=[0.0], train={"epochs": 1})
    assert run.start_factors().shape == (2, run.recipe.members.count)
    assert (run.start_factors() == 1).all()
    assert not (run.path / "store.zarr" / "members").exists()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_from_the_same_start(npz, tmp_path):
    unequal = recipe(npz, {"start_spread": SPREAD}, lam=[0, 1], trials=2)
    whole = train(unequal, tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(unequal, tmp_path / "stopped", listener=Stopping(3))
    resumed = train(unequal, tmp_path / "stopped", resume=True)
    assert resumed.start_factors().equals(whole.start_factors())
    last = unequal.train.epochs
    for lane in lanes.lanes_of(unequal):
        a, b = whole.checkpoint(lane, last), resumed.checkpoint(lane, last)
        assert all(np.array_equal(a[name], b[name]) for name in a)
    assert Run(tmp_path / "stopped").done
