"""Trials and λs that are added to a run: it becomes the run that had them from the beginning."""

import os
import shutil

import pytest

from jtdiag import probe
from jtdiag.engine.progress import NullListener
from jtdiag.engine.train import train
from jtdiag.errors import StoreError
from jtdiag.probing import results
from jtdiag.probing.registry import PROBES
from jtdiag.recipe.toml import from_table
from jtdiag.store import growth
from jtdiag.store.run import GROWTH, Run
from jtdiag.testing import TOY, toy_data


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    return path


def toy(npz, **changes):
    table = {**TOY, "data": {**TOY["data"], "name": str(npz)}, "train": {**TOY["train"]}}
    table["train"]["epochs"] = 1
    return from_table({**table, "lam": [1, 0.5], "trials": 1, **changes})


LARGE = {"lam": [1, 0.5, 0], "trials": 3}


@pytest.fixture(scope="module")
def small(npz, tmp_path_factory):
    return train(toy(npz), tmp_path_factory.mktemp("small") / "toy").path


@pytest.fixture(scope="module")
def large(npz, tmp_path_factory):
    return train(toy(npz, **LARGE), tmp_path_factory.mktemp("large") / "toy").path


@pytest.fixture
def run(small, tmp_path):
    return shutil.copytree(small, tmp_path / "toy")


class Interrupted(NullListener):
    def epoch(self, report):
        raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_that_grows_becomes_one_that_had_all_lanes_from_the_beginning(
    npz, run, large, assert_same_files
):
    probe(run, "dominance")
    assert results.is_fresh(Run(run), PROBES.find("dominance"))
    old = {path: path.stat().st_mtime_ns for path in run.glob("store.zarr/outputs/**/c/0/0/**/*")}
    plans = []

    class Planned(NullListener):
        def begin(self, plan):
            plans.append(plan)

    grown = train(toy(npz, trials=2), run, resume=True)
    assert grown.done
    assert not results.is_fresh(grown, PROBES.find("dominance"))
    train(toy(npz, **LARGE), run, resume=True, listener=Planned())
    assert (plans[0].lanes_done, plans[0].epochs_to_train) == (4, 5)
    outputs = {path: time for path, time in old.items() if path.name.isdigit()}
    assert all(path.stat().st_mtime_ns == time for path, time in outputs.items())
    shutil.rmtree(run / "results")
    (run / "findings.jsonl").unlink(missing_ok=True)
    assert_same_files(run, large)
    assert Run(run).check() > 0


@pytest.mark.slow
def test_growing_is_complete_or_has_not_begun_wherever_it_is_killed(
    npz, run, small, large, tmp_path, monkeypatch, assert_same_files
):
    """Every rename in turn is the last one; the lanes are trained at the end only."""

    class KilledError(BaseException):
        pass

    replace, calls = type(run).replace, []

    def dying(self, target):
        if GROWTH in str(self):
            calls.append(self)
            if len(calls) in moments:
                raise KilledError
        return replace(self, target)

    moments = range(1, 200, 6)
    monkeypatch.setattr(type(run), "replace", dying)
    for _ in moments:
        try:
            train(toy(npz, **LARGE), run, resume=True, listener=Interrupted())
        except KilledError:
            if (run / GROWTH).exists():
                with pytest.raises(StoreError, match=r"being added to it, .* --resume"):
                    Run(run)
            else:
                assert_same_files(run, small)
        except KeyboardInterrupt:
            break
    assert len(calls) > 20
    train(toy(npz, **LARGE), run, resume=True)
    assert_same_files(run, large)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"lam": [0.5, 1]}, "lam"),
        ({"lam": [0, 1, 0.5]}, "lam"),
        ({"trials": 2, "seed": 1}, "trials, seed"),
        ({"trials": 2, "lam": [1]}, "lam, trials"),
        ({"trials": 2, "train": {**TOY["train"], "epochs": 2}}, "trials, train.epochs"),
        ({"lam": [1, 0.5, 0], "train": {**TOY["train"], "epochs": 1, "lr": 0.2}}, "lam, train.lr"),
    ],
)
def test_anything_else_is_refused_and_nothing_is_changed(
    npz, run, small, changes, fields, assert_same_files
):
    with pytest.raises(StoreError, match=rf"another recipe; these fields differ: {fields}\."):
        train(toy(npz, **changes), run, resume=True)
    assert_same_files(run, small)


@pytest.mark.slow
def test_a_run_does_not_grow_while_it_is_trained(npz, tmp_path):
    class Growing(NullListener):
        def epoch(self, report):
            with pytest.raises(StoreError, match="is being trained by another process"):
                train(toy(npz, trials=2), tmp_path / "run", resume=True)

    assert train(toy(npz), tmp_path / "run", listener=Growing()).done
    assert not (tmp_path / "run" / GROWTH).exists()


@pytest.mark.slow
def test_arrays_of_another_version_are_refused(npz, run, small):
    record = run / "lanes" / "store.chunks.json"
    attributes = run / "store.zarr" / "zarr.json"
    text = attributes.read_text("utf-8")
    os.remove(record)
    attributes.write_text(text.replace('"format": 2', '"format": 1'), encoding="utf-8")
    with pytest.raises(StoreError, match="was made by another version of jtdiag"):
        train(toy(npz, trials=2), run, resume=True)
    assert not (run / GROWTH).exists()


def test_learning_rates_may_be_listed_if_they_stay_as_they_are(npz):
    old = toy(npz)
    rates = {**TOY["train"], "epochs": 1, "lr": [0.3, 0.3, 0.1]}
    assert growth.only_grows(old, toy(npz, lam=[1, 0.5, 0], train=rates))
    assert not growth.only_grows(old, old)
    rates["lr"] = [0.1, 0.3, 0.3]
    assert not growth.only_grows(old, toy(npz, lam=[1, 0.5, 0], train=rates))
