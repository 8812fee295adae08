"""What a step keeps for backward passes: at most one module at a time where training is local."""

import weakref

import pytest
import torch

from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes

HIDDEN = 8


class Saved:
    """A tensor that autograd has saved."""

    def __init__(self, tensor):
        self.tensor = tensor


class Peak:
    """Most bytes that are saved at the same time, each memory counted once, without parameters."""

    def __init__(self, parameters):
        self._parameters = {tensor.untyped_storage().data_ptr() for tensor in parameters}
        self._counts: dict[int, int] = {}
        self._bytes: dict[int, int] = {}
        self.bytes = 0

    def pack(self, tensor):
        memory = tensor.untyped_storage()
        saved, address = Saved(tensor), memory.data_ptr()
        if address not in self._parameters:
            self._counts[address] = self._counts.get(address, 0) + 1
            self._bytes[address] = memory.nbytes()
            weakref.finalize(saved, self._free, address)
            alive = (self._bytes[a] for a, count in self._counts.items() if count)
            self.bytes = max(self.bytes, sum(alive))
        return saved

    def _free(self, address):
        self._counts[address] -= 1


def saved_bytes(epoch=1, **modules):
    """Return the peak of a step of one member with 8 hidden layers of 256 units."""
    recipe = from_table(
        {
            "lam": [0.0],
            "trials": 1,
            "data": {"name": "digits"},
            "members": {"arch": "mlp", "count": 1, "hidden": [256] * HIDDEN, "norm": "batch"},
            "train": {"batch": 100, "epochs": HIDDEN + 1},
            "engine": {"device": "cpu", "threads": 1},
            "modules": modules,
        }
    )
    session = Session.of(recipe)
    group = LaneGroup(recipe, lanes.lanes_of(recipe), session.data, session.stack, session.device)
    positions = group._order(epoch)[:, :100]
    x, target = group._batch(positions, "train")
    peak = Peak(group._trained.values())
    with torch.autograd.graph.saved_tensors_hooks(peak.pack, lambda saved: saved.tensor):
        rates = group._per_lane([0.1])
        group._step((epoch, 0), x, target, rates, group._running_means(), positions=positions)
    return peak.bytes


@pytest.fixture(scope="module")
def end_to_end():
    return saved_bytes()


def test_end_to_end_keeps_what_all_layers_have_returned(end_to_end):
    of_layer = 100 * 256 * 4
    assert end_to_end > 2 * HIDDEN * of_layer  # before and after the normalization


@pytest.mark.parametrize("loss", ["pred", "predsim", "infopro"])
def test_local_training_keeps_at_most_a_third_of_it(end_to_end, loss):
    share = saved_bytes(credit="local", loss=loss) / end_to_end
    assert share < 1 / 3, share


@pytest.mark.parametrize("epoch", [1, 2, HIDDEN, HIDDEN + 1])
def test_modules_one_after_the_other_keep_at_most_a_third_of_it(end_to_end, epoch):
    share = saved_bytes(epoch, credit="proxy", epochs=[1] * (HIDDEN + 1)) / end_to_end
    assert share < 1 / 3, share


def test_what_is_handed_down_keeps_all_of_it(end_to_end):
    assert saved_bytes(credit="local", mu=0.5) >= end_to_end
