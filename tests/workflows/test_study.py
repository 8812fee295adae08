from contextlib import nullcontext

import numpy as np
import pytest

from jtdiag import names
from jtdiag.engine.progress import NullListener
from jtdiag.errors import ProbeError, StoreError
from jtdiag.probing.results import load
from jtdiag.recipe import studies
from jtdiag.store.run import Run
from jtdiag.tables import schemes
from jtdiag.testing import toy_data
from jtdiag.workflows import study

STUDY = """
name = "toys"
trials = 2
[data]
name = "{data}"
val = 20
[members]
arch = "mlp"
count = 3
hidden = [4]
[train]
epochs = 2
batch = 16
lr = "matched"
[keep]
splits = ["val", "test"]
[engine]
device = "cpu"
threads = 1
[runs.joint]
lam = [0.9, 0, 1]
[runs.single]
scheme = "single"
lam = 1
members = {{ count = 1, hidden = [12] }}
[runs.weights]
scheme = "bagging"
lam = 0
[runs.batches]
scheme = "bagging"
bootstrap = "batches"
lam = 0
[runs.stacked]
scheme = "stacking"
lam = 0
seed = 5
"""


def quiet():
    return nullcontext(NullListener())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    toy_data(folder / "toy.npz")
    file = folder / "toys.toml"
    file.write_text(STUDY.format(data=folder / "toy.npz"), "utf-8")
    definition = studies.read(file)
    study.run_study(definition, folder / "toys", quiet)
    return definition, folder / "toys"


@pytest.mark.slow
def test_every_run_is_a_run_of_its_own(made):
    definition, folder = made
    for name, recipe in definition.runs.items():
        run = Run(folder / name)
        assert run.done
        assert run.recipe == recipe


def test_the_folder_knows_its_study(made):
    definition, folder = made
    assert studies.find(str(folder)) == definition


@pytest.mark.slow
def test_bars_are_in_the_order_of_schemes_whatever_the_order_of_runs(made):
    labels = [bar.label for bar in schemes.of_study(made[1])]
    assert labels == [
        "single network",
        "independent",
        "bagging (weights)",
        "bagging (batches)",
        "stacking (joint)",
        "stacking (stacked)",
        "λ = 0.9",
        "end to end",
    ]


@pytest.mark.slow
def test_bars_are_what_the_probes_have_stored(made):
    _, folder = made
    bars = {bar.label: bar for bar in schemes.of_study(folder)}
    for label, run, lam in (
        ("independent", "joint", 0.0),
        ("λ = 0.9", "joint", 0.9),
        ("bagging (batches)", "batches", 0.0),
        ("single network", "single", 1.0),
    ):
        on_test = load(Run(folder / run), "performance").sel({"lam": lam, names.SPLIT: "test"})
        assert bars[label].errors == tuple(on_test["ensemble_error"].values)
        assert bars[label].mean == pytest.approx(100 * float(on_test["ensemble_error_mean"]))
        assert bars[label].se == pytest.approx(100 * float(on_test["ensemble_error_se"]))
    stacked = load(Run(folder / "joint"), "stacking").sel(lam=0, split="test")
    assert bars["stacking (joint)"].errors == tuple(stacked["stacked_error"].values)
    assert bars["end to end"].lr == pytest.approx(0.06)
    assert [bar.members for bar in bars.values()] == [1] + 7 * [3]


@pytest.mark.slow
def test_members_and_batches_are_the_same_in_every_scheme(made):
    _, folder = made
    runs = [Run(folder / name) for name in ("joint", "weights", "batches")]
    starts = [run.checkpoint(run.lanes[0], 0) for run in runs]
    for other in starts[1:]:
        for name, weights in starts[0].items():
            np.testing.assert_array_equal(other[name], weights)
    examples = [run.array("outputs/val/source_index")[:] for run in runs]
    np.testing.assert_array_equal(examples[0], examples[1])


@pytest.mark.slow
def test_what_is_done_is_not_trained_again_and_a_study_goes_on(made, tmp_path):
    definition, folder = made
    seals = [p.stat().st_mtime_ns for p in sorted(folder.glob("*/lanes/*.json"))]
    study.run_study(definition, folder, quiet)
    assert [p.stat().st_mtime_ns for p in sorted(folder.glob("*/lanes/*.json"))] == seals


def test_the_folder_of_another_study_is_refused(made):
    definition, folder = made
    other = studies.read(folder / studies.FILE, ["runs.joint.seed=9"])
    with pytest.raises(StoreError, match=r"which differs in runs\.joint\.seed\. Resume with"):
        study.run_study(other, folder, quiet)
    assert studies.find(str(folder)) == definition


def test_a_folder_that_holds_something_else_is_refused(made, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty and is not a study"):
        study.run_study(made[0], tmp_path, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_the_figure_lies_in_the_studys_folder(made):
    _, folder = made
    drawn = study.plot(folder)
    assert [path.relative_to(folder).as_posix() for path in drawn] == [
        "figures/schemes.pdf",
        "figures/schemes.png",
    ]
    assert all(path.stat().st_size for path in drawn)
    with pytest.raises(ProbeError, match="whose figures are schemes, lambda-mu and gap"):
        study.plot(folder, ["errors-by-epoch"])


def test_a_study_that_was_killed_while_it_began_is_begun_again(tmp_path, monkeypatch):
    data = toy_data(tmp_path / "data.npz")
    (tmp_path / "study.toml").write_text(STUDY.format(data=data), encoding="utf-8")
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / ".study.toml.99999999.draft").write_text("half", encoding="utf-8")
    study._prepare(studies.find(str(tmp_path / "study.toml")), folder)
    assert [path.name for path in folder.iterdir()] == ["study.toml"]
