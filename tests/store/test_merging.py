"""Runs of one recipe whose lanes were trained in different folders become one run."""

import shutil

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.engine.progress import NullListener
from jtdiag.engine.train import train
from jtdiag.errors import StoreError
from jtdiag.recipe.toml import from_table
from jtdiag.store.lanes import Lane
from jtdiag.store.merging import merge
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data


def toy(npz, **changes):
    table = {**TOY, "data": {**TOY["data"], "name": str(npz)}, "trials": 4}
    table |= {"alerts": {"lower_lam": 0.5}}  # so that λ is stored by epoch
    return from_table({**table, "train": {**TOY["train"], "epochs": 1}, **changes})


def contents(path):
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    return path


@pytest.fixture(scope="module")
def thirds(npz, tmp_path_factory):
    """Three runs of four lanes each."""
    folder = tmp_path_factory.mktemp("thirds")
    return [train(toy(npz), folder / str(i), part=f"{i}/3").path for i in (1, 2, 3)]


@pytest.fixture
def copies(thirds, tmp_path):
    return [shutil.copytree(path, tmp_path / path.name) for path in thirds]


@pytest.mark.slow
def test_three_runs_become_the_run_of_one_process(npz, thirds, tmp_path):
    whole = train(toy(npz), tmp_path / "whole").path
    ran = CliRunner().invoke(main, ["merge", *map(str, thirds), "--out", str(tmp_path / "run")])
    expected = f"Merged 3 runs: 12 of 12 lanes complete. Next: jtdiag probe {tmp_path / 'run'}\n"
    assert (ran.exit_code, ran.output) == (0, expected)
    one, two = contents(tmp_path / "run"), contents(whole)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    assert Run(tmp_path / "run").check() > 0


@pytest.mark.slow
def test_what_is_missing_is_trained_and_lanes_in_two_runs_may_be_equal(npz, thirds, tmp_path):
    class Interrupted(NullListener):
        def epoch(self, report):
            if report.epoch == 0 and report.lane.trial == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # after three lanes, one of which is in thirds[0]
        train(toy(npz), tmp_path / "some", listener=Interrupted())
    run = merge([tmp_path / "some", thirds[1]], tmp_path / "run")
    assert [lane for lane in run.lanes if run.seal(lane).epoch >= 0][:3] == run.lanes[:3]
    assert not run.done
    assert train(toy(npz), run.path, resume=True).done
    whole = train(toy(npz), tmp_path / "whole").path
    assert contents(run.path) == contents(whole)


@pytest.mark.slow
def test_settings_of_lanes_are_recorded_if_they_differ(npz, thirds, tmp_path):
    run = train(toy(npz, engine={**TOY["engine"], "execution": "loop"}), tmp_path / "a", part="2/3")
    merged = merge([thirds[0], run.path], tmp_path / "b")
    assert merged.settings["execution"] == "stacked"
    assert merged.settings_of(Lane(0, 0))["execution"] == "stacked"
    assert merged.settings_of(Lane(0, 1)) == run.settings
    again = merge([thirds[2], merged.path], tmp_path / "c")
    assert again.settings_of(Lane(0, 1)) == run.settings
    assert merged.check() > 0
    assert again.check() > 0


def refused(paths, out, pattern):
    before = [contents(path) for path in paths]
    with pytest.raises(StoreError, match=pattern) as caught:
        merge(paths, out)
    assert "\n" not in str(caught.value)
    assert [contents(path) for path in paths] == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_runs_that_do_not_fit_together_are_refused(npz, thirds, copies, tmp_path):
    out = tmp_path / "out"
    other = train(toy(npz, trials=2, seed=1), tmp_path / "other", part="1/6").path
    refused([thirds[0], other], out, "different recipes; these fields differ: trials, seed")
    toy_data(tmp_path / "data.npz", train_examples=90)
    data = train(toy(tmp_path / "data.npz"), tmp_path / "d", part="2/12").path
    refused([thirds[0], data], out, "different recipes|trained on different data")
    refused([thirds[0]], out, "merging needs two different runs")
    refused([thirds[0], thirds[0]], out, "merging needs two different runs")
    slow = toy(npz, engine={**TOY["engine"], "execution": "loop"})
    same = train(slow, tmp_path / "same", part="1/12").path
    if contents(same)["lanes/lam0-trial0.json"] != contents(thirds[0])["lanes/lam0-trial0.json"]:
        refused([thirds[0], same], out, r"both have λ = 0, trial 0, and not the same numbers")
    (copies[1] / "lanes" / "lam1-trial0.json").write_text("{", encoding="utf-8")
    refused([thirds[0], copies[1]], out, "lam1-trial0.json: is not the seal of a lane")
    (out / "mine").mkdir(parents=True)
    refused([thirds[0], thirds[1]], out, "is not empty")


@pytest.mark.slow
def test_a_run_that_is_trained_is_refused(npz, thirds, tmp_path):
    class Merging(NullListener):
        def epoch(self, report):
            with pytest.raises(StoreError, match="is being trained; merge it when"):
                merge([thirds[0], tmp_path / "run"], tmp_path / "out")

    train(toy(npz), tmp_path / "run", part="2/12", listener=Merging())
