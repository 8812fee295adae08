"""Lanes that the workers of a cluster train: the same bits, whoever dies and whenever it ends."""

import os
import signal
import threading
import time

import pytest

from jtdiag.engine import on_workers
from jtdiag.engine.progress import NullListener
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.engine.train import train
from jtdiag.errors import DataError, RecipeError, StoreError
from jtdiag.recipe.toml import from_table
from jtdiag.store import lane_locks, lanes
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data

EPOCHS = 4


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    return from_table({**TOY, "data": {**TOY["data"], "name": str(path)}})


class Recorded(NullListener):
    """Keeps what it is told, and does something when the first epoch is sealed."""

    def __init__(self, work=lambda: None):
        self.plans, self.reports, self.verdicts, self._work = [], {}, set(), work

    def begin(self, plan):
        self.plans.append(plan)

    def epoch(self, report):
        self.reports[report.lane, report.epoch] = report
        work, self._work = self._work, lambda: None
        work()

    def verdict(self, lane, verdict):
        self.verdicts.add((lane, verdict.rule, verdict.epoch))


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """The run of one process, and what its listener was told."""
    listener = Recorded()
    return train(recipe, tmp_path_factory.mktemp("whole") / "run", listener=listener), listener


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_the_store_is_that_of_one_process(
    recipe, tmp_path, worker_process, whole, assert_same_files
):
    def kill():
        [pid] = worker_process.run(os.getpid).values()
        os.kill(pid, signal.SIGKILL)

    listener = Recorded(kill)
    run = train(recipe, tmp_path / "run", client=worker_process, listener=listener)
    assert run.done
    assert_same_files(run.path, whole[0].path)
    assert [plan.epochs_to_train for plan in listener.plans] == [6 * EPOCHS]
    assert listener.verdicts == whole[1].verdicts
    assert listener.reports.keys() == whole[1].reports.keys()
    for key, report in listener.reports.items():
        other = whole[1].reports[key]
        assert report.train_loss == pytest.approx(other.train_loss, rel=1e-12)
        assert report.ensemble_error == other.ensemble_error
        assert (report.action, report.module) == (other.action, other.module)


@pytest.mark.slow
def test_training_that_is_stopped_goes_on_to_the_same_store(
    recipe, tmp_path, worker_in_this_process, whole, assert_same_files
):
    path, stop = tmp_path / "run", StopRequest()
    listener = Recorded(lambda: stop.request(30))
    with pytest.raises(TrainingStopped):
        train(recipe, path, client=worker_in_this_process, listener=listener, stop=stop)
    run = Run(path)
    assert not run.training
    assert not run.done
    resumed = Recorded()
    train(recipe, path, client=worker_in_this_process, listener=resumed, resume=True)
    assert_same_files(path, whole[0].path)
    assert {*listener.reports} | {*resumed.reports} == {*whole[1].reports}
    assert not {*listener.reports} & {*resumed.reports}


@pytest.mark.slow
def test_an_error_of_a_worker_is_that_of_the_client(
    recipe, tmp_path, worker_in_this_process, monkeypatch
):
    def refuse(*arguments, **more):
        raise DataError("The data have moved.")

    monkeypatch.setattr(on_workers.RunWriter, "reopen", refuse)
    with pytest.raises(DataError, match=r"^The data have moved\.$"):
        train(recipe, tmp_path / "run", client=worker_in_this_process)
    assert not Run(tmp_path / "run").training


@pytest.mark.slow
def test_a_run_that_is_being_trained_is_refused_at_once(
    recipe, tmp_path, worker_in_this_process, monkeypatch
):
    monkeypatch.setattr(on_workers, "train_lanes", lambda *arguments: None)
    path = tmp_path / "run"
    run = train(recipe, path, client=worker_in_this_process)  # makes the folder only
    lock = lane_locks.acquire(path, [Lane(1, 2)])
    with pytest.raises(StoreError, match=r"λ = 1, trial 1: is being trained by this process"):
        train(recipe, path, client=worker_in_this_process, resume=True)
    lock.release()
    assert {run.seal(lane).epoch for lane in run.lanes} == {-1}


@pytest.mark.slow
def test_a_lane_waits_for_the_lock_of_a_worker_that_is_dying(
    recipe, tmp_path, worker_in_this_process, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(on_workers, "train_lanes", lambda *arguments: None)
        run = train(recipe, tmp_path / "run", client=worker_in_this_process)
    job = on_workers.job(recipe, run.path, None, lambda *arguments: None)
    lock = lane_locks.acquire(run.path, [Lane(0, 0)])
    threading.Timer(0.5, lock.release).start()
    began = time.monotonic()
    on_workers._opened(job, [Lane(0, 0)], StopRequest()).close()
    assert time.monotonic() - began > 0.3
    assert lanes.read_seal(run.path, Lane(0, 0)).epoch == -1


def test_a_part_and_a_cluster_exclude_each_other(recipe, tmp_path, worker_in_this_process):
    with pytest.raises(RecipeError, match=r"^part is for processes .* Leave one of them out\.$"):
        train(recipe, tmp_path / "run", part="1/2", client=worker_in_this_process)
    assert not (tmp_path / "run").exists()
