import json

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.engine.train import train
from jtdiag.recipe import studies
from jtdiag.testing import toy_data

STUDY = """
data = { name = "toy.npz", val = 20 }
members = { arch = "mlp", count = 3, hidden = [4] }
train = { epochs = 2, batch = 16, lr = "paper" }
keep = { splits = ["val", "test"] }
engine = { device = "cpu", threads = 1 }
[runs.single]
scheme = "single"
lam = 1
members = { count = 1, hidden = [12] }
[runs.joint]
lam = [0, 0.95]
"""


def jtdiag(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy_data(tmp_path / "toy.npz")
    (tmp_path / "mine.toml").write_text(STUDY, "utf-8")
    return tmp_path


@pytest.mark.slow
def test_one_command_trains_probes_tabulates_and_draws(here):
    ran = jtdiag("study", "mine.toml", "--set", "train.epochs=1", "--set", "runs.joint.seed=2")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "Learning rate of the joint loss: 0.06 at λ = 0, 0.95" in ran.stdout
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in ran.stdout.splitlines()]
    rows = [row[:4] for row in cells if row]
    assert rows == [
        ["single network", "", "1", "0.02"],
        ["independent", "0", "3", "0.06"],
        ["stacking", "0", "3", "0.06"],
        ["λ = 0.95", "0.95", "3", "0.06"],
    ]
    figures = here / "runs" / "mine" / "figures"
    assert {path.name for path in figures.iterdir()} == {"schemes.pdf", "schemes.png"}
    answer = "single: nothing was learned in any lane; joint: nothing was learned in any lane."
    assert ran.stdout.endswith(
        "Figures:\n  runs/mine/figures/schemes.pdf\n  runs/mine/figures/schemes.png\n"
        f"{answer}\nNext:\n  jtdiag report runs/mine/single runs/mine/joint\n"
    )

    record = json.loads(jtdiag("study", "runs/mine", "--json").output)
    assert [(s["label"], s["lam"]) for s in record["schemes"]] == [
        ("single network", 1.0), ("independent", 0.0), ("stacking", 0.0), ("λ = 0.95", 0.95)
    ]  # fmt: skip
    assert record["answer"] == [answer]
    assert jtdiag("study", "runs/mine", "-q").output == ""


@pytest.mark.slow
def test_the_folder_is_enough_to_show_it_again_and_plot_draws_it(here):
    jtdiag("study", "mine.toml", "--out", "there", "--set", "train.epochs=1")
    again = jtdiag("study", "there")
    assert again.exit_code == 0
    assert "there/figures/schemes.pdf" in again.stdout
    drawn = jtdiag("plot", "there")
    assert drawn.stdout == "there/figures/schemes.pdf\nthere/figures/schemes.png\n"
    assert jtdiag("plot", "there", "errors-by-epoch").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["mine.tml"], "There is no study or study file 'mine.tml'."),
        (["mine.toml", "--set", "runs.other.lam=0"], "there is no run 'other' in the study."),
        (
            ["mine.toml", "--only", "simple"],
            "no run of the study has this name. Did you mean 'single'? Runs: single",
        ),
        (["mine.toml", "--budget", "1e-9"], "--budget is 1e-09 hours, but with the fewest trials"),
    ],
)
def test_a_mistake_is_one_line(here, arguments, answer):
    ran = jtdiag("study", *arguments)
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: ")
    assert answer in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (here / "runs").exists()


def test_an_interrupted_study_says_how_to_go_on(here, monkeypatch):
    def interrupted(_study, folder, *_arguments):
        folder.mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("jtdiag.workflows.study.run_study", interrupted)
    ran = jtdiag("study", "mine.toml")
    assert ran.exit_code == 130
    assert "resume with: jtdiag study runs/mine" in ran.stderr


def test_a_dry_run_prints_the_cost_of_each_run_and_writes_nothing(here):
    ran = jtdiag("study", "mine.toml", "--dry-run")
    assert (ran.exit_code, ran.stderr) == (0, "")
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in ran.stdout.splitlines()]
    assert [row[:3] for row in cells if row] == [
        ["single", "1", "2"], ["joint", "2", "2"], ["all", "3", ""]
    ]  # fmt: skip
    assert not (here / "runs").exists()
    costs = json.loads(jtdiag("study", "mine.toml", "--dry-run", "--only", "j*", "--json").stdout)
    assert [(name, cost["lanes"]) for name, cost in costs.items()] == [("joint", 2)]


@pytest.mark.slow
def test_some_runs_of_a_study_are_trained_and_the_others_are_named(here):
    ran = jtdiag("study", "mine.toml", "--only", "joint", "--set", "train.epochs=1")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "Not trained yet: single.\n" in ran.stdout
    assert sorted(path.name for path in (here / "runs" / "mine").iterdir()) == [
        "figures", "joint", "study.toml"
    ]  # fmt: skip
    assert jtdiag("table", "runs/mine").exit_code == 0
    train(studies.find("runs/mine").runs["single"], here / "runs" / "mine" / "single")
    assert jtdiag("table", "runs/mine").exit_code == 0  # of the run that is probed
    rest = jtdiag("study", "runs/mine")
    assert "Not trained yet" not in rest.stdout
    assert "single network" in rest.stdout


def test_a_study_without_runs_says_so(here):
    (here / "runs" / "mine").mkdir(parents=True)
    (here / "runs" / "mine" / "study.toml").write_text(STUDY, "utf-8")
    ran = jtdiag("plot", "runs/mine")
    assert ran.exit_code == 1
    assert ran.stderr == (
        "Error: runs/mine: no run of the study is trained yet; run `jtdiag study runs/mine`.\n"
    )
