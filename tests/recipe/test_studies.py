import attrs
import pytest

from jtdiag.errors import RecipeError
from jtdiag.recipe import presets, studies

STUDY = """# Three runs.
name = "three"
trials = 2
[data]
name = "digits"
val = 200
[members]
arch = "mlp"
count = 8
hidden = [4]
[train]
epochs = 3
lr = "paper"
[runs.single]
scheme = "single"
lam = 1
members = { count = 1, hidden = [32] }
[runs.joint]
lam = [0, 1]
[runs.joint.keep]
splits = ["val", "test"]
[runs.bagging]
scheme = "bagging"
lam = 0
train.epochs = 5
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    return path


def test_a_run_has_what_is_common_and_what_is_its_own(file):
    study = studies.read(file)
    assert (study.name, list(study.runs)) == ("three", ["single", "joint", "bagging"])
    single, joint, bagging = study.runs.values()
    assert [recipe.name for recipe in study.runs.values()] == ["single", "joint", "bagging"]
    assert {recipe.trials for recipe in study.runs.values()} == {2}
    assert (single.members.arch, single.members.count, single.members.hidden) == ("mlp", 1, (32,))
    assert (joint.members.count, joint.keep.splits, joint.lam) == (8, ("val", "test"), (0, 1))
    assert (bagging.scheme, bagging.train.epochs, single.train.epochs) == ("bagging", 5, 3)
    assert (single.train.lr, joint.train.lr) == ((0.02,), (0.16, 0.048))


def test_a_change_goes_to_every_run_or_to_the_one_that_is_named(file):
    study = studies.read(file, ["trials=1", "train.epochs=2", "runs.joint.lam=[0, 0.5]"])
    assert {recipe.trials for recipe in study.runs.values()} == {1}
    assert {recipe.train.epochs for recipe in study.runs.values()} == {2}
    assert study.runs["joint"].lam == (0, 0.5)
    assert study.runs["bagging"].lam == (0,)


def test_a_study_may_be_renamed_and_its_runs_keep_their_names(file):
    study = studies.read(file, ["name=other"])
    assert study.name == "other"
    assert [recipe.name for recipe in study.runs.values()] == list(study.runs)


def test_a_study_survives_toml(file, tmp_path):
    study = studies.read(file)
    (tmp_path / "again.toml").write_text(studies.to_toml(study), "utf-8")
    assert studies.read(tmp_path / "again.toml") == study


def test_differences_are_named_by_run_and_field(file):
    study, other = studies.read(file), studies.read(file, ["runs.joint.lam=1", "seed=3"])
    assert studies.differences(study, study) == []
    assert studies.differences(study, studies.read(file, ["data.root=x"])) == []
    assert set(studies.differences(study, other)) == {
        "runs.single.seed",
        "runs.joint.lam",
        "runs.joint.train.lr",
        "runs.joint.seed",
        "runs.bagging.seed",
    }
    fewer = attrs.evolve(study, runs={"joint": study.runs["joint"]})
    assert studies.differences(study, fewer) == ["runs"]


REFUSED = {
    "no runs": ("[runs.", "[objective.", (), "has no .runs.NAME."),
    "a run that is no table": ("[runs.single]", "[runs]\nx = 3\n[runs.single]", (), "runs.x. must"),
    "a name that is no folder": ("[runs.single]", '[runs."a/b"]', (), "becomes a folder"),
    "an unknown field": ("scheme = \"single\"", "shceme = 1", (), r"\[runs.single\].*shceme"),
    "a run that cannot be": ("count = 1,", "count = 2,", (), "members.count = 1"),
    "an unknown run": ("", "", ["runs.jiont.lam=1"], "Did you mean 'joint'"),
    "a name with a slash": ("", "", ["name=a/b"], "has no '/'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_study_is_refused_in_one_line(file, case):
    old, new, changes, answer = REFUSED[case]
    file.write_text(STUDY.replace(old, new), "utf-8")
    with pytest.raises(RecipeError, match=answer) as caught:
        studies.read(file, changes)
    assert "\n" not in str(caught.value)


def test_a_study_is_found_by_its_name_its_file_and_its_folder(file):
    assert studies.find(str(file)) == studies.find(str(file.parent)) == studies.read(file)
    assert studies.find("fashion-fig2").name == "fashion-fig2"
    with pytest.raises(RecipeError, match=r"Did you mean 'fashion-fig2'\? Studies: credit-convnet"):
        studies.find("fashion-fig3")


@pytest.mark.parametrize("name", studies.paths())
def test_every_study_that_comes_with_jtdiag_has_its_files_name_and_says_what_it_is(name):
    path = studies.paths()[name]
    assert studies.find(name).name == name
    assert presets.describe(path).endswith(".")
    assert name not in presets.paths()


def test_figure_2_has_the_papers_settings():
    runs = studies.find("fashion-fig2").runs
    assert (runs["single"].members.count, runs["single"].members.hidden) == (1, (1024,))
    for name in ("joint", "bagging"):
        ours, theirs = runs[name], presets.find("fashion-256x4")
        assert (ours.members, ours.seed) == (theirs.members, theirs.seed)
        assert ours.data == theirs.data
        for i, lam in enumerate(ours.lam):
            assert ours.first_lr(i) == theirs.first_lr(theirs.lam.index(lam))
    for ours in runs.values():
        assert (ours.trials, ours.train.epochs, ours.train.batch) == (5, 200, 100)
    assert runs["single"].train.lr == presets.find("fashion-1x1024").train.lr
