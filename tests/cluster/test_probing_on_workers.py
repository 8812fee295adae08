"""Probes whose lanes the workers of a cluster measure: the same bits as without."""

import pytest

from jtdiag.probing.checkpoints import of_checkpoints
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import ask, probe
from jtdiag.store.lanes import Lane
from jtdiag.testing import toy_run

LANE_BY_LANE = ("gradients", "conditioning", "layers", "credit")
"""Probes that can be divided."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run whose members have modules, so that every one of these probes applies."""
    modules = {"modules": {"credit": "local", "loss": "pred"}, "members": {"hidden": [5, 5]}}
    size = {"lam": [0.9], "trials": 3, "train": {"epochs": 2}}
    return toy_run(tmp_path_factory.mktemp("small"), **size, **modules)


@pytest.mark.slow
@pytest.mark.parametrize("name", LANE_BY_LANE)
def test_workers_measure_the_same_bits(small, worker_process, name):
    here = ask(small, PROBES.find(name), Options())
    there = ask(small, PROBES.find(name), Options(client=worker_process))
    assert here.identical(there)
    assert any(here[variable].dtype.kind == "f" for variable in here.data_vars)


def number_of(checkpoint):
    """What these tests measure; it is imported by workers that are threads of this process."""
    checkpoint.shared["count"] = checkpoint.shared.get("count", 0) + 1
    return checkpoint.replay.lane, checkpoint.epoch, checkpoint.shared["count"]


@pytest.mark.slow
def test_lanes_are_tasks_and_what_they_share_is_kept_between_checkpoints(
    small, worker_in_this_process
):
    epochs = {Lane(0, 0): [0, 2], Lane(1, 0): [], Lane(2, 0): [1]}
    for client in (None, worker_in_this_process):
        values = of_checkpoints(small, epochs, number_of, client)
        assert [*values] == [(Lane(0, 0), 0), (Lane(0, 0), 2), (Lane(2, 0), 1)]
        assert all(key == value[:2] for key, value in values.items())
        assert {value[2] for value in values.values()} == {1, 2, 3}


@pytest.mark.slow
def test_the_stored_result_is_the_same(small, worker_in_this_process):
    stored = probe(small, "gradients", force=True, client=worker_in_this_process)
    again = probe(small, "gradients")
    assert stored.drop_attrs().identical(again.drop_attrs())
