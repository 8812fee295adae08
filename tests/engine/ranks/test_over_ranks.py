"""Lanes on 2 and 4 processes of torchrun give the arrays of one process, and resume as any."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from jtdiag.engine.train import train
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data

HERE = Path(__file__).parent
FACTORIES = f"{HERE / 'networks.py'}:"
CLOSE = 1e-12
STEPS = 20
"""Steps of a lane: 80 examples in batches of 16, and 4 epochs."""


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Return a function that makes a recipe, as a table, of members in the plane."""
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)

    def make(**changes):
        table = {**TOY, "trials": 1, "data": {"name": str(path), "val": 20}}
        table |= {"members": {"arch": "mlp", "count": 5, "hidden": [5]}, "name": "run"}
        for key, value in changes.items():
            merged = {**table.get(key, {}), **value} if isinstance(value, dict) else value
            if key == "members" and "arch" in value:
                merged = {"count": 5, **value}
            table[key] = merged
        return table

    return make


@pytest.fixture(scope="module")
def recipes(toy, image_file):
    """Recipes of everything that is divided."""
    return {
        "mlp": toy(),
        "conv": toy(
            data={"name": image_file, "val": 8},
            members={"arch": "conv", "filters": [4], "strides": [2], "norm": "batch"},
            train={"batch": 8, "epochs": 5},
            engine={"lanes": 3},
        ),
        "branches": toy(members=branched("branches")),
        "mixture": toy(combiner="probabilities", objective={"drop": 0.3}),
        "numbers": toy(
            data={"name": "diabetes", "val": 20, "limit": 100},
            family="gaussian",
            lam=[0.5],
            objective={"drop": 0.3},
            train={"lr": 0.05},
        ),
        "bagging": toy(lam=[0.0], scheme="bagging", bootstrap="batches"),
        "adamw": toy(
            lam=[0.9],
            train={"optimiser": "adamw", "lr": 0.01},
            members={"start": [1.6, 1, 1, 0.5, 2]},
        ),
        "dropout": toy(
            lam=[0.9],
            members={"arch": "module", "factory": FACTORIES + "member_with_dropout"},
            engine={"micro_members": 1},
        ),
    }


def branched(factory):
    return {"arch": "branches", "count": 3, "factory": FACTORIES + factory}


def on_ranks(count, folder, runs):
    """Train runs on as many processes; return the error of each, None without one."""
    (folder / "runs.json").write_text(json.dumps(runs))
    launcher = "-m torch.distributed.run --standalone --nproc-per-node"
    script = [HERE / "many_runs.py", folder / "runs.json", folder / "results.json"]
    command = [sys.executable, *launcher.split(), str(count), *map(str, script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return json.loads((folder / "results.json").read_text())


def require_equal(run, other):
    """Check that the stores of two runs have the same arrays but for rounding."""
    stores = [zarr.open_group(path / "store.zarr", mode="r") for path in (run, other)]
    paths = [
        {name for name, item in store.members(max_depth=None) if isinstance(item, zarr.Array)}
        for store in stores
    ]
    assert paths[0] == paths[1]
    for path in paths[0]:
        ours, theirs = (np.asarray(store[path][...]) for store in stores)
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=CLOSE, err_msg=path)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=path)


REFUSED = {
    "modules": ({"modules": {"credit": "local"}}, "members with modules are not divided"),
    "gncl": ({"objective": {"loss": "gncl-exact"}}, "objective.loss is 'gncl-exact'"),
    "few": ({"members": {"count": 1}}, "has started 2 ranks, but members.count is 1"),
    "norm": ({"members": branched("branches_with_norm")}, "has buffers that training changes"),
    "random": ({"members": branched("branches_with_dropout")}, "draws random numbers in training"),
    "batch": (
        {"members": branched("branches"), "train": {"batch": 79}},
        "the last batch of an epoch has 1 examples",
    ),
    "micro": (
        {"members": {"arch": "module", "factory": FACTORIES + "member_with_dropout"}},
        "set engine.micro_members = 1",
    ),
    "device": ({"engine": {"device": "cuda:0"}}, "cannot be the device of every rank"),
    "data": ({"data": {"name": FACTORIES + "data_that_differ"}}, "the data of rank 1 on"),
    "recipe": ({}, "Rank 1 has another recipe than rank 0; these fields differ: train.lr, engine"),
}
"""What cannot be trained on two ranks, by name: changes of the recipe, and the error."""


@pytest.fixture(scope="module")
def alone(recipes, tmp_path_factory):
    """The runs of one process."""
    folder = tmp_path_factory.mktemp("alone")
    for name, recipe in recipes.items():
        train(recipe, folder / name)
    return folder


@pytest.fixture(scope="module")
def four(recipes, tmp_path_factory):
    """Runs on four ranks; one was stopped after its second epoch."""
    folder = tmp_path_factory.mktemp("four")
    listed = [{"recipe": recipes[name], "out": str(folder / name)} for name in ("mlp", "conv")]
    listed += [
        {"recipe": recipes["mlp"], "out": str(folder / "begun"), "stop_after": 2},
        {"recipe": recipes["branches"], "out": str(folder / "branches-begun"), "stop_after": 2},
    ]
    assert on_ranks(4, folder, listed) == [None, None, "stopped", "stopped"]
    return folder


@pytest.fixture(scope="module")
def two(recipes, four, toy, tmp_path_factory):
    """The folder of runs on two ranks, and the errors of those that were refused."""
    folder = tmp_path_factory.mktemp("two")
    listed = [{"recipe": recipe, "out": str(folder / name)} for name, recipe in recipes.items()]
    for name in ("begun", "branches-begun"):
        shutil.copytree(four / name, folder / name)
        recipe = recipes["mlp" if name == "begun" else "branches"]
        listed.append({"recipe": recipe, "out": str(folder / name), "options": {"resume": True}})
    for part in ("1/2", "2/2"):
        out = str(folder / "parts")
        listed.append({"recipe": recipes["mlp"], "out": out, "options": {"part": part}})
    trained = len(listed)
    for name, (changes, _) in REFUSED.items():
        listed.append({"recipe": toy(**changes), "out": str(folder / name)})
    listed[-1]["of_last_rank"] = {"train": {"lr": 0.1}, "engine": {"lanes": 2}}
    results = on_ranks(2, folder, listed)
    assert results[:trained] == [None] * trained
    return folder, dict(zip(REFUSED, results[trained:], strict=True))


@pytest.mark.slow
def test_two_ranks_have_the_arrays_of_one_process(recipes, alone, two):
    for name in recipes:
        require_equal(alone / name, two[0] / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "conv"])
def test_four_ranks_have_the_arrays_of_one_process(alone, four, name):
    require_equal(alone / name, four / name)


@pytest.mark.slow
def test_all_ranks_stop_after_the_same_epoch(four):
    for name in ("begun", "branches-begun"):
        run = Run(four / name)
        assert [run.seal(lane).epoch for lane in run.lanes] == [2, -1, -1]


@pytest.mark.slow
def test_a_run_is_resumed_with_another_number_of_ranks(recipes, alone, four, two, tmp_path):
    for name, whole in (("begun", "mlp"), ("branches-begun", "branches")):
        require_equal(alone / whole, two[0] / name)
        shutil.copytree(four / name, tmp_path / name)
        train(recipes[whole], tmp_path / name, resume=True)
        require_equal(alone / whole, tmp_path / name)


@pytest.mark.slow
def test_parts_of_lanes_may_be_trained_on_ranks_too(alone, two):
    require_equal(alone / "mlp", two[0] / "parts")


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_divided_is_refused_in_one_line_before_anything_is_written(two, name):
    folder, errors = two
    assert REFUSED[name][1] in errors[name]
    assert "\n" not in errors[name]
    assert not (folder / name).exists()
