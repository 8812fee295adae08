"""Probes whose lanes the workers of a cluster measure: the same bits as without."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import jtdiag
from jtdiag.commands import main
from jtdiag.probing import results
from jtdiag.probing.checkpoints import of_checkpoints
from jtdiag.probing.contract import Options
from jtdiag.probing.description import describe
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


def test_probes_that_can_be_divided_say_so():
    declared = [name for name in PROBES.names() if describe(name).by_lane]
    assert sorted(declared) == sorted(LANE_BY_LANE)
    for each in PROBES.all():
        divides = "of_checkpoints(" in Path(each.source).read_text("utf-8")
        assert each.by_lane == divides, each.name


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


@pytest.mark.slow
def test_a_report_with_workers_has_the_slow_probes_whose_lanes_they_measure(
    tmp_path, worker_in_this_process
):
    run = toy_run(tmp_path, lam=[0.9], trials=1, train={"epochs": 1})
    divided = {name for name in LANE_BY_LANE if describe(name).applies(run)}
    assert divided == {*LANE_BY_LANE} - {"credit"}
    slow = {name for name in PROBES.names() if describe(name).cost == "slow"}

    def measured():
        return {name for name in slow if results.path_of(run, name).exists()}

    jtdiag.report(run)
    assert measured() == set()
    asked = ["report", str(run.path), "--scheduler", worker_in_this_process.scheduler.address]
    ran = CliRunner().invoke(main, asked)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert measured() == divided
    assert "gradients: no result yet" not in ran.stdout
    assert "calibration: no result yet" in ran.stdout

    results.remove(results.path_of(run, "gradients"))
    jtdiag.report(run, client=worker_in_this_process)
    assert all(results.is_fresh(run, PROBES.find(name)) for name in divided)
