import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

from jtdiag import names
from jtdiag.engine import session
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.progress import NullListener
from jtdiag.engine.train import train
from jtdiag.errors import DataError, RecipeError, StoreError
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store import layout
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    return path


def toy(npz, **changes):
    """The toy's recipe with one trial and two epochs, changed by section or field."""
    table = {**TOY, "trials": 1, "lam": [0, 0.9], "data": {**TOY["data"], "name": str(npz)}}
    table["train"] = {**TOY["train"], "epochs": 2}
    for key, value in changes.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) else value
    return from_table(table)


def contents(path):
    """Every file of a run but its lock, by name."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


def assert_same_store(path, other):
    """The same files with the same bytes; a file that differs is named, not printed."""
    a, b = contents(path), contents(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


def checkpoints(run):
    """Weights of every lane and epoch: lam, trial and epoch → name → array."""
    return {
        (run.lam(lane), lane.trial, epoch): run.checkpoint(lane, epoch)
        for lane in run.lanes
        for epoch in run.seal(lane).checkpoints
    }


def assert_equal_weights(a, b, tolerance=0.0):
    assert a.keys() == b.keys()
    for key in a:
        for name in a[key]:
            np.testing.assert_allclose(a[key][name], b[key][name], rtol=0, atol=tolerance)


# --- what a run is -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_is_trained_whole(npz, tmp_path):
    run = train(toy(npz), tmp_path / "run")
    assert run.path == tmp_path / "run"
    assert run.done
    assert not run.training
    assert run.recipe == toy(npz)
    assert not np.isnan(run.metrics()[names.MEMBER_LOSS]).any()
    run.check()
    kept = {path.name for path in (run.path / "lanes").iterdir() if ".chunks." not in path.name}
    # The states that only resuming needs are gone.
    assert kept == {"lam0-trial0.json", "lam1-trial0.json"}


@pytest.mark.slow
def test_a_run_has_a_folder_of_its_name_unless_told_otherwise(npz, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = train(toy(npz, name="mine", train={"epochs": 1}))
    assert run.path == Path("runs/mine")
    assert run.done


@pytest.mark.slow
def test_a_recipe_may_be_named(npz, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(toml.to_toml(toy(npz, train={"epochs": 1})), encoding="utf-8")
    assert train(str(path), tmp_path / "run").recipe == toy(npz, train={"epochs": 1})


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_store(npz, tmp_path):
    a, b = (train(toy(npz), tmp_path / name).path for name in "ab")
    assert_same_store(a, b)


@pytest.mark.slow
def test_another_seed_gives_another_run(npz, tmp_path):
    a, b = (train(toy(npz, seed=seed), tmp_path / str(seed)) for seed in (1, 2))
    assert not np.array_equal(a.metrics()[names.MEMBER_LOSS], b.metrics()[names.MEMBER_LOSS])


@pytest.mark.slow
def test_training_lowers_the_loss(npz, tmp_path):
    loss = train(toy(npz), tmp_path / "run").metrics()[names.ENSEMBLE_LOSS].sel(split="test")
    assert (loss.isel(epoch=-1) < loss.isel(epoch=0)).all()


@pytest.mark.slow
def test_checkpoints_are_the_weights_of_a_lane_group(npz, tmp_path):
    recipe = toy(npz, trials=2)
    run = train(recipe, tmp_path / "run")
    made = session.Session.of(recipe)
    metrics = run.metrics()
    for lane in run.lanes:
        alone = LaneGroup(recipe, [lane], made.data, made.stack, made.device)
        for epoch in range(3):
            rows = alone.train_epoch(epoch) if epoch else alone.measure("train").rows
            at = {"lam": lane.lam_index, "trial": lane.trial, "epoch": epoch}
            for name, values in rows.items():
                assert np.array_equal(metrics[name].isel(at).sel(split="train"), values[0])
            for name, weight in alone.snapshot(0)[0].items():
                assert np.array_equal(run.checkpoint(lane, epoch)[name], weight.numpy())
            for split in ("val", "test"):
                kept = alone.measure(split, torch.float32).logits[0].transpose(1, 2).numpy()
                [block] = run.outputs(lane, epoch, split)
                assert block.logits.dtype == np.float32
                assert np.array_equal(block.logits, kept)


@pytest.mark.slow
def test_all_lambdas_of_a_trial_start_from_the_same_weights(npz, tmp_path):
    run = train(toy(npz, lam=[0, 0.5, 1], trials=2, train={"epochs": 1}), tmp_path / "run")
    found = checkpoints(run)
    for trial in (0, 1):
        for lam in (0.5, 1.0):
            for name, weight in found[0.0, trial, 0].items():
                assert np.array_equal(found[lam, trial, 0][name], weight)
                assert not np.array_equal(found[lam, trial, 1][name], found[0.0, trial, 1][name])
    assert not np.array_equal(found[0.0, 0, 0]["layer1.bias"], found[0.0, 1, 0]["layer1.bias"])


@pytest.mark.slow
def test_validation_and_test_are_the_same_at_every_lambda_and_change_with_the_trial(npz, tmp_path):
    run = train(toy(npz, trials=2, train={"epochs": 1}), tmp_path / "run")
    held = [run.array("outputs/val/source_index")[trial] for trial in (0, 1)]
    assert not np.array_equal(*held)
    for trial in (0, 1):
        targets = [run.target("val", Lane(trial, lam)) for lam in (0, 1)]
        assert np.array_equal(*targets)


# --- a lane is its own ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lane_does_not_depend_on_the_lambdas_beside_it(npz, tmp_path):
    both = train(toy(npz, engine={"lanes": 1}), tmp_path / "both")
    alone = train(toy(npz, lam=[0.9], engine={"lanes": 1}), tmp_path / "alone")
    found = {key: value for key, value in checkpoints(both).items() if key[0] == 0.9}
    assert_equal_weights(found, checkpoints(alone))
    metrics = both.metrics().sel(lam=[0.9])
    for name in alone.metrics().data_vars:
        assert np.array_equal(metrics[name], alone.metrics()[name])


@pytest.mark.slow
def test_lanes_side_by_side_are_the_lanes_one_by_one_up_to_rounding(npz, tmp_path):
    changes = {"lam": [0, 0.9, 1], "trials": 2, "train": {"lr": [0.4, 0.3, 0.1], "epochs": 3}}
    one = train(toy(npz, **changes, engine={"lanes": 1}), tmp_path / "one")
    six = train(toy(npz, **changes, engine={"lanes": 6}), tmp_path / "six")
    four = train(toy(npz, **changes, engine={"lanes": 4}), tmp_path / "four")
    for other in (six, four):
        assert_equal_weights(checkpoints(one), checkpoints(other), 1e-12)
        for name, values in one.metrics().data_vars.items():
            np.testing.assert_allclose(other.metrics()[name], values, rtol=1e-10, atol=1e-12)
        assert other.done


@pytest.mark.slow
def test_what_is_kept_does_not_move_training(npz, tmp_path):
    before = torch.get_rng_state()
    splits = ["train", "val", "test"]
    much = train(toy(npz, keep={"outputs": "all", "splits": splits}), tmp_path / "much")
    little = train(toy(npz, keep={"outputs": "none"}), tmp_path / "little")
    assert_equal_weights(checkpoints(much), checkpoints(little))
    for name, values in much.metrics().data_vars.items():
        assert np.array_equal(little.metrics()[name], values)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_milestones_lower_the_learning_rate_after_their_epochs(npz, tmp_path):
    steps = {"epochs": 3, "momentum": 0.0}
    plain = checkpoints(train(toy(npz, train=steps), tmp_path / "plain"))
    lowered = {**steps, "milestones": [2], "lr_factor": 1e-9}
    found = checkpoints(train(toy(npz, train=lowered), tmp_path / "lowered"))
    for (lam, trial, epoch), weights in found.items():
        for name, weight in weights.items():
            if epoch < 3:
                assert np.array_equal(weight, plain[lam, trial, epoch][name])
            else:  # at a rate of next to nothing, an epoch moves next to nothing
                np.testing.assert_allclose(weight, found[lam, trial, 2][name], atol=1e-7)
                assert np.abs(weight - plain[lam, trial, 3][name]).max() > 1e-3


# --- validation ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_validation_the_last_epoch_is_chosen(npz, tmp_path):
    run = train(toy(npz, data={"val": 0}, keep={"splits": ["test"]}), tmp_path / "run")
    metrics = run.metrics()
    assert metrics["split"].values.tolist() == ["train", "test"]
    assert (metrics[names.BEST_EPOCH] == -1).all()
    assert [run.chosen_epoch(lane) for lane in run.lanes] == [2, 2]
    assert "val" not in run.tree["outputs"]
    assert not np.isnan(metrics[names.MEMBER_ERROR]).any()


@pytest.mark.slow
def test_validation_chooses_the_first_epoch_with_the_lowest_error_of_the_ensemble(npz, tmp_path):
    keep = {"outputs": [0, "best", "last"], "checkpoints": ["best"]}
    recipe = toy(npz, lam=[0, 1], trials=2, train={"epochs": 6}, keep=keep)
    run = train(recipe, tmp_path / "run")
    errors = run.metrics()[names.ENSEMBLE_ERROR].sel(split="val").values
    ties = 0
    for lane in run.lanes:
        mine = errors[lane.lam_index, lane.trial, 1:]
        best = 1 + int(mine.argmin())
        ties += int((mine == mine.min()).sum() > 1)
        seal = run.seal(lane)
        assert seal.best == best == run.chosen_epoch(lane)
        assert set(seal.checkpoints) == {best}
        assert set(seal.outputs) == {0, best, 6}
        folder = run.path / "store.zarr/outputs/val/logits/c" / str(lane.lam_index)
        on_disk = {int(path.name) for path in (folder / str(lane.trial)).iterdir()}
        assert on_disk == {0, best, 6}
    assert ties, "no lane of this recipe ties; choose another, or `first` is not tested"


# --- size and disk -------------------------------------------------------------------------------


def on_disk(run, kind):
    """Bytes and number of the chunks of logits, or of parameters; coordinates do not count."""
    files = [
        path
        for path in (run.path / "store.zarr" / kind).rglob("*")
        if path.is_file() and {"logits", *WEIGHTS} & set(path.parts) and "c" in path.parts
    ]
    return sum(path.stat().st_size for path in files), len(files)


WEIGHTS = ("layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias")


class Listening(NullListener):
    def __init__(self):
        self.plan, self.reports = None, []

    def begin(self, plan):
        self.plan = plan

    def epoch(self, report):
        self.reports.append(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    "keep",
    [
        {"outputs": "all", "checkpoints": "all", "splits": ["train", "val", "test"]},
        {"outputs": [0, 2], "checkpoints": [1], "dtype": "float16"},
    ],
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_size_announced_is_the_size_on_disk(npz, tmp_path, keep, precision):
    heard = Listening()
    recipe = toy(npz, keep=keep, engine={"precision": precision})
    run = train(recipe, tmp_path / "run", listener=heard)
    for kind in ("outputs", "checkpoints"):
        size, count = on_disk(run, kind)
        assert count > 0
        assert size == getattr(heard.plan.size, kind) + 4 * count  # a checksum for each chunk


@pytest.mark.slow
def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(npz, tmp_path, monkeypatch):
    recipe = toy(npz)
    needed = layout.size(recipe, session.Session.of(recipe).extent).total
    usage = shutil.disk_usage(tmp_path)
    for free, fits in ((needed - 1, False), (needed, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, f=free: usage._replace(free=f))
        if fits:
            assert train(recipe, tmp_path / "deep" / "run").done
        else:
            with pytest.raises(StoreError, match=r"would take .* keep fewer epochs") as caught:
                train(recipe, tmp_path / "deep" / "run")
            assert "\n" not in str(caught.value)
            assert list(tmp_path.iterdir()) == []


def full_after(monkeypatch, count):
    """Let opening a file for writing fail from the count-th time on; return what was opened."""
    opened, lock, real = [], threading.Lock(), Path.open

    def open_(path, mode="r", *args, **kwargs):
        if "w" in mode:
            with lock:
                opened.append(path)
            if len(opened) >= count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_)
    return opened


@pytest.fixture(scope="module")
def opened(npz, tmp_path_factory):
    """Files that are written while a run is made, and those from then on until it is done."""
    path = tmp_path_factory.mktemp("opened") / "run"
    with pytest.MonkeyPatch.context() as patch:
        found = full_after(patch, 10**9)
        train(interruptible(npz), path)
    later = [file for file in found if file.is_relative_to(path)]
    return found[: -len(later)], later


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_a_disk_that_fills_up_is_one_line_and_the_run_can_be_completed(
    npz, tmp_path, monkeypatch, whole, opened, share
):
    made, later = opened
    written = int(share * (len(later) - 1))
    seals = [sum(f"{key}.json" in file.name for file in later[:written]) for key in KEYS]
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        full_after(patch, len(made) + written + 1)
        with pytest.raises(StoreError, match="The disk of .* is full. Free some space") as caught:
            train(interruptible(npz), run)
    assert "\n" not in str(caught.value)
    half = Run(run)
    assert [half.seal(lane).epoch + 1 for lane in half.lanes] == seals
    assert not half.done
    assert not half.training
    half.check()
    assert train(interruptible(npz), run, resume=True).done
    assert_same_store(run, whole)


KEYS = ("lam0-trial0", "lam1-trial0")


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_disk_that_is_full_while_a_run_is_made_leaves_nothing_behind(
    npz, tmp_path, monkeypatch, whole, opened, share
):
    with monkeypatch.context() as patch:
        full_after(patch, 1 + int(share * (len(opened[0]) - 1)))
        with pytest.raises(StoreError, match="The disk of .* is full. Free some space"):
            train(interruptible(npz), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    assert train(interruptible(npz), tmp_path / "run").done
    assert_same_store(tmp_path / "run", whole)


# --- in the way ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_folder_that_is_taken_is_refused_and_left_alone(npz, tmp_path):
    path = train(toy(npz, train={"epochs": 1}), tmp_path / "run").path
    before = contents(path)
    with pytest.raises(StoreError, match="already contains a run. Resume a run with resume=True"):
        train(toy(npz), path)
    assert contents(path) == before


def test_missing_data_leave_nothing_behind(npz, tmp_path):
    with pytest.raises(DataError):
        train(toy(tmp_path / "none.npz"), tmp_path / "run")
    with pytest.raises(RecipeError):
        train(toy(npz, engine={"device": "abacus"}), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_in_training_cannot_be_trained_by_a_second(npz, tmp_path):
    class Second(NullListener):
        refused = 0

        def epoch(self, report):
            assert Run(tmp_path / "run").training
            with pytest.raises(StoreError, match=r"trial 0: is being trained by this process"):
                train(toy(npz), tmp_path / "run", resume=True)
            self.refused += 1

    second = Second()
    assert train(toy(npz), tmp_path / "run", listener=second).done
    assert second.refused == 6


@pytest.mark.slow
def test_a_run_is_let_go_of_when_training_fails(npz, tmp_path):
    class Failing(NullListener):
        def epoch(self, report):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(toy(npz), tmp_path / "run", listener=Failing())
    assert not Run(tmp_path / "run").training
    threads = torch.get_num_threads()
    assert train(toy(npz), tmp_path / "run", resume=True).done
    assert torch.get_num_threads() == threads


# --- who listens ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_listener_hears_the_plan_before_anything_is_written_and_then_every_epoch(npz, tmp_path):
    class Early(Listening):
        def begin(self, plan):
            super().begin(plan)
            assert not plan.path.exists()

    heard = Early()
    run = train(toy(npz), tmp_path / "run", listener=heard)
    plan = heard.plan
    assert (plan.path, plan.recipe, plan.epochs_to_train) == (run.path, run.recipe, 2 * 2)
    assert plan.parameters == 3 * (2 * 5 + 5 + 5 * 3 + 3)
    assert plan.settings["device"] == "cpu"
    told = [(report.lane, report.epoch) for report in heard.reports]
    assert told == [(lane, epoch) for lane in run.lanes for epoch in range(3)]
    metrics = run.metrics()
    for report in heard.reports:
        lam = run.lam(report.lane)
        row = metrics.isel(lam=report.lane.lam_index, trial=0, epoch=report.epoch)
        ensemble = row[names.ENSEMBLE_LOSS].sel(split="train")
        members = row[names.MEMBER_LOSS].sel(split="train").mean()
        assert report.train_loss == pytest.approx(float(lam * ensemble + (1 - lam) * members))
        assert report.ensemble_error == float(row[names.ENSEMBLE_ERROR].sel(split="val"))


# --- resuming ------------------------------------------------------------------------------------


def interruptible(npz, **changes):
    """Two lanes of which some epochs are kept, some superseded, and the last depends on all."""
    keep = {"outputs": [0, 2, "best", "last"], "checkpoints": ["best", "last"]}
    return toy(npz, train={"epochs": 5, "milestones": [3]}, keep=keep, **changes)


@pytest.fixture(scope="module")
def whole(npz, tmp_path_factory):
    """The run that nobody interrupted."""
    return train(interruptible(npz), tmp_path_factory.mktemp("whole") / "run").path


@pytest.fixture(scope="module")
def whole_side_by_side(npz, tmp_path_factory):
    """The same, with its lanes in one group."""
    recipe = interruptible(npz, engine={"lanes": 2})
    return train(recipe, tmp_path_factory.mktemp("side-by-side") / "run").path


@pytest.mark.slow
def test_resuming_where_nothing_is_starts(npz, tmp_path, whole):
    run = train(interruptible(npz), tmp_path / "run", resume=True)
    assert_same_store(run.path, whole)
    (tmp_path / "empty").mkdir()
    assert train(toy(npz, train={"epochs": 1}), tmp_path / "empty", resume=True).done


@pytest.mark.slow
def test_resuming_a_finished_run_does_nothing(npz, tmp_path):
    class Deaf(Listening):
        def epoch(self, report):
            raise AssertionError("nothing is left to train")

    path = train(toy(npz), tmp_path / "run").path
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files(path)}
    heard = Deaf()
    assert train(toy(npz), path, resume=True, listener=heard).done
    assert heard.plan.epochs_to_train == 0
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files(path)} == before


def files(path):
    return [file for file in path.rglob("*") if file.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 9}, "seed"),
        ({"lam": [0, 0.8]}, "lam"),
        ({"train": {"epochs": 3}}, "train.epochs"),
        ({"engine": {"precision": "float32"}}, "engine.precision"),
    ],
)
def test_resuming_with_another_recipe_is_refused(npz, tmp_path, changes, named):
    path = train(toy(npz, train={"epochs": 1}, lam=[0, 0.9]), tmp_path / "run").path
    before = contents(path)
    other = toy(npz, **{"train": {"epochs": 1}, **changes})
    with pytest.raises(StoreError, match=f"another recipe.*{named}"):
        train(other, path, resume=True)
    assert contents(path) == before


@pytest.mark.slow
def test_a_run_may_be_resumed_where_the_data_have_moved(npz, tmp_path):
    class Interrupt(NullListener):
        def epoch(self, report):
            if report.epoch == 1:
                raise KeyboardInterrupt

    recipe = toy(npz, data={"name": "npz", "root": str(npz)})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", listener=Interrupt())
    moved = shutil.copy(npz, tmp_path / "moved.npz")
    data = attrs.evolve(recipe.data, root=str(moved))
    run = train(attrs.evolve(recipe, data=data), tmp_path / "run", resume=True)
    assert run.done
    assert run.recipe == recipe, "its folder keeps the recipe that made it"


class StopAt(NullListener):
    """Stops training when a lane's epoch has been handed over."""

    def __init__(self, lane, epoch):
        self.lane, self.last = lane, epoch

    def epoch(self, report):
        if (report.lane.lam_index, report.epoch) == (self.lane, self.last):
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize(("lane", "epoch"), [(0, 0), (0, 3), (0, 5), (1, 0), (1, 2), (1, 5)])
def test_a_run_stopped_from_the_keyboard_goes_on_to_the_same_store(
    npz, tmp_path, whole, lane, epoch
):
    with pytest.raises(KeyboardInterrupt):
        train(interruptible(npz), tmp_path / "run", listener=StopAt(lane, epoch))
    half = Run(tmp_path / "run")
    assert half.seal(half.lanes[lane]).epoch == epoch  # what was handed over is written
    heard = Listening()
    train(interruptible(npz), tmp_path / "run", resume=True, listener=heard)
    assert_same_store(tmp_path / "run", whole)
    assert len([r for r in heard.reports if r.lane.lam_index == lane]) == 5 - epoch
    assert heard.plan.epochs_to_train == 10 - (epoch if lane == 0 else 5 + epoch)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_may_go_on_with_its_lanes_grouped_otherwise(npz, tmp_path, whole, before, after):
    """As on another machine: one lane at a time on a CPU, all of them on a GPU."""
    with pytest.raises(KeyboardInterrupt):
        train(
            interruptible(npz, engine={"lanes": before}),
            tmp_path / "run",
            listener=StopAt(1, 2),
        )
    run = train(interruptible(npz, engine={"lanes": after}), tmp_path / "run", resume=True)
    assert run.done
    assert_equal_weights(checkpoints(run), checkpoints(Run(whole)), 1e-12)
    assert list((run.path / "lanes").glob("*.npz")) == []


# --- kill -9 -------------------------------------------------------------------------------------

CHILD = """
    import json, os, signal, sys, time
    from pathlib import Path

    import zarr
    from jtdiag.engine.progress import NullListener
    from jtdiag.engine.train import train
    from jtdiag.recipe import toml
    from jtdiag.store import lanes
    from jtdiag.store.writer import RunWriter

    class Listener(NullListener):
        def epoch(self, report):
            if slowly:
                time.sleep(0.05)

    slowly = False

    def die_at(count, owner, name, part=""):
        # Kill this process, as kill -9 does, at the count-th such call, before it does anything.
        real, calls = getattr(owner, name), []

        def call(*args, **kwargs):
            if part in str(args[0]):
                calls.append(name)
                if len(calls) == count:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        setattr(owner, name, call)

    MOMENTS = {
        "allocating": (zarr, "consolidate_metadata"),
        "training": (Listener, "epoch"),
        "before-writing": (RunWriter, "_write_arrays"),
        "in-an-output": (Path, "replace", "logits"),
        "in-the-metrics": (Path, "replace", "member_error/c"),
        "before-the-state": (RunWriter, "_write_state"),
        "in-the-state": (Path, "replace", "-epoch"),
        "before-the-seal": (lanes, "write_seal"),
        "in-the-seal": (Path, "replace", ".json."),
        "after-the-seal": (RunWriter, "_remove_superseded"),
        "forgetting": (RunWriter, "forget_states"),
    }

    def go_on(folder):
        recipe = toml.read(folder / "recipe.toml")
        train(recipe, folder / "run", resume=True, listener=Listener())

    def in_a_new_process(work):
        pid = os.fork()
        if pid == 0:
            try:
                work()
                os._exit(0)
            finally:
                os._exit(1)
        return pid

    def ended(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def killed_at(folder, moment, count):
        def work():
            die_at(count, *MOMENTS[moment])
            go_on(folder)

        return ended(in_a_new_process(work))

    def killed_from_outside(folder, *moments):
        global slowly
        slowly, codes = True, []
        for lane_index, epoch in moments:
            pid = in_a_new_process(lambda: go_on(folder))
            lane = lanes.Lane(trial=0, lam_index=lane_index)
            while lanes.read_seal(folder / "run", lane).epoch < epoch:
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            codes.append(ended(pid))
        slowly = False
        return [*codes, ended(in_a_new_process(lambda: go_on(folder)))]

    tasks = json.loads(sys.stdin.read())
    codes = [killed_at(Path(folder), moment, count) for folder, moment, count in tasks[1:]]
    print(json.dumps([killed_from_outside(Path(tasks[0]), (0, 2), (1, 1)), *codes]))
"""
"""Forks before torch or zarr have a thread, so that all these processes import them once."""

KILLED = [
    ("allocating", 1, 1),
    ("training", 4, 1),
    ("before-writing", 5, 1),
    ("in-an-output", 7, 1),
    ("in-the-metrics", 9, 1),
    ("before-the-state", 1, 1),
    ("in-the-state", 4, 1),
    ("before-the-seal", 4, 1),
    ("before-the-seal", 4, 2),
    ("in-the-seal", 6, 1),
    ("after-the-seal", 9, 2),
    ("forgetting", 6, 1),
]
"""Moment, which of them, lanes side by side."""


def prepared(folder, recipe):
    (folder / "recipe.toml").write_text(toml.to_toml(recipe), encoding="utf-8")
    return folder


def side_by_side(npz, count):
    return interruptible(npz) if count == 1 else interruptible(npz, engine={"lanes": count})


@pytest.fixture(scope="module")
def killed(npz, tmp_path_factory):
    """Folders of runs that were killed, and how their processes ended."""
    new = tmp_path_factory.mktemp
    outside = prepared(new("outside"), interruptible(npz))
    folders = [prepared(new("killed"), side_by_side(npz, together)) for *_, together in KILLED]
    tasks = [(str(f), moment, n) for f, (moment, n, _) in zip(folders, KILLED, strict=True)]
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD)],
        input=json.dumps([str(outside), *tasks]),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    codes = json.loads(ran.stdout)
    return dict(
        zip(["outside", *KILLED], zip([outside, *folders], codes, strict=True), strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "count", "together"), KILLED)
def test_a_killed_run_goes_on_to_the_store_of_one_never_killed(
    npz, killed, whole, whole_side_by_side, moment, count, together
):
    folder, code = killed[moment, count, together]
    assert code == -signal.SIGKILL
    if moment == "allocating":
        assert not (folder / "run").exists()
    else:
        half = Run(folder / "run")
        assert not half.done
        assert not half.training, "a dead engine's lock is gone"
        half.check()
    train(side_by_side(npz, together), folder / "run", resume=True)
    assert_same_store(folder / "run", whole_side_by_side if together > 1 else whole)


@pytest.mark.slow
def test_a_run_killed_from_outside_again_and_again_ends_as_one_never_killed(killed, whole):
    folder, codes = killed["outside"]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert_same_store(folder / "run", whole)
