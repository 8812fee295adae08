import dataclasses
import shutil

import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.testing import TOY, ProbePromises, toy_data, toy_run


def measure(run, options):
    return xr.Dataset({"lanes": ((), len(run.lanes))})


def judge(result):
    sentence = f"There are {int(result['lanes'])} lanes."
    return [
        Finding(probe="count", rule="lanes", level="info", sentence=sentence, number=6.0),
    ]


GOOD = Probe(
    name="count",
    question="How many lanes are there?",
    writes={"lanes": Var(dims=(), unit="count", meaning="lanes of the run")},
    measure=measure,
    judge=judge,
    cost="cheap",
)


def changing(run, options):
    """Answer otherwise every time."""
    return xr.Dataset({"lanes": ((), np.random.default_rng().random())})


def writing(run, options):
    with (run.path / "findings.jsonl").open("a") as stream:
        stream.write("mine\n")
    return measure(run, options)


def greedy(run, options):
    if options.metrics_only:
        return xr.Dataset({"lanes": ((), 6), "more": ((), 1)})
    return measure(run, options)


def sloppy(result):
    return [dataclasses.replace(judge(result)[0], sentence="lanes")]


def strange(result):
    return [dataclasses.replace(judge(result)[0], probe="other")]


BAD = {
    "no question": ({"question": "Count the lanes."}, "the_question_is_a_question"),
    "no unit": (
        {"writes": {"lanes": Var(dims=(), unit="", meaning="lanes")}},
        "every_variable_says_what_it_means",
    ),
    "another dimension": (
        {"writes": {"lanes": Var(dims=("lam",), unit="count", meaning="lanes")}},
        "the_result_is_what_was_promised",
    ),
    "more than promised": ({"measure": greedy}, "the_result_is_what_was_promised"),
    "never twice the same": ({"measure": changing}, "asked_twice_it_answers_the_same"),
    "writes into the run": ({"measure": writing}, "asking_leaves_the_run_untouched"),
    "no sentence": ({"judge": sloppy}, "findings_name_the_probe_and_say_a_sentence"),
    "another's name": ({"judge": strange}, "findings_name_the_probe_and_say_a_sentence"),
    "judges what is not there": (
        {"judge": lambda result: [result["nothing"]]},
        "metrics_alone_can_be_judged",
    ),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("toy"), lam=[0], trials=1, train={"epochs": 1})


def promises(probe, run):
    """The promises of a probe, asked of a run of our own."""
    kind = type("Promises", (ProbePromises,), {"probe": probe, "run": run})
    return {
        name.removeprefix("test_"): getattr(kind(), name)
        for name in dir(kind)
        if name.startswith("test_")
    }


def test_a_good_probe_keeps_every_promise(small):
    found = promises(GOOD, small)
    assert len(found) == 7
    for keeps in found.values():
        keeps()


@pytest.mark.parametrize("case", BAD)
def test_a_broken_promise_is_noticed(small, case):
    changes, promise = BAD[case]
    with pytest.raises((AssertionError, ProbeError, KeyError)):
        promises(dataclasses.replace(GOOD, **changes), small)[promise]()


def test_every_promise_can_be_broken():
    kept = {name.removeprefix("test_") for name in dir(ProbePromises) if name.startswith("test_")}
    assert kept == {promise for _, promise in BAD.values()}


def test_the_promises_are_asked_of_a_run_with_everything_in_it():
    run = ProbePromises().run
    assert run.done
    assert run.recipe.lam == (0.0, 0.9, 1.0)
    for lane in run.lanes:
        assert run.seal(lane).outputs == run.seal(lane).checkpoints == (0, 1, 2, 3, 4)
    assert ProbePromises().run is run


def test_a_toy_run_is_changed_by_section_and_field(small):
    assert small.recipe.lam == (0.0,)
    assert small.recipe.train.epochs == 1
    assert small.recipe.train.lr == (TOY["train"]["lr"],)
    assert small.recipe.data.val == TOY["data"]["val"]
    assert small.path.name == TOY["name"]
    assert TOY["train"]["epochs"] == 4


def test_toy_data_are_three_classes_around_three_centres(tmp_path):
    for name in ("a.npz", "b.npz"):
        toy_data(tmp_path / name, train_examples=3000, test_examples=30)
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert all(np.array_equal(a[key], b[key]) for key in a)
        assert a["x_test"].shape == (30, 2)
        for k in range(3):
            mean = a["x_train"][a["y_train"] == k].mean(0)
            centre = [np.cos(2.1 * k), np.sin(2.1 * k)]
            np.testing.assert_allclose(mean, centre, atol=5 * 0.5 / np.sqrt(1000))


@pytest.mark.slow
def test_a_copied_toy_run_equals_a_trained_one(tmp_path, toy_runs):
    toy_runs.enabled = True
    changes = {"lam": [0.25], "trials": 1, "train": {"epochs": 1}}
    toy_run_in(tmp_path / "first", changes)
    before = toy_runs.trained
    copied = toy_run_in(tmp_path / "second", changes)
    assert toy_runs.trained == before
    kept = files_of(copied.path)
    shutil.rmtree(tmp_path / "second")
    toy_runs.enabled = False
    trained = toy_run_in(tmp_path / "second", changes)
    assert files_of(trained.path) == kept
    assert trained.recipe_hash == copied.recipe_hash


def toy_run_in(folder, changes):
    folder.mkdir()
    return toy_run(folder, **changes)


def files_of(path):
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }
