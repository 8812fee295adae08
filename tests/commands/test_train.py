import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.commands import main
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.report.answer import sentences
from jtdiag.report.evidence import gather
from jtdiag.terminal.training import PlainLines
from jtdiag.testing import TOY, toy_data

DONE = re.compile(r"Training finished: mine \(peak memory [\d.]+ [MG]B\)\.")
LINE = re.compile(
    r"\[(\d+)/(\d+)\] λ = (\S+), trial (\d+), epoch (\d+): "
    r"loss (\d\.\d{4}), val error (\d+\.\d\d) %; (starting|\d+ s left)"
)


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe file in the current folder: two λ, one trial, two epochs."""
    monkeypatch.chdir(tmp_path)
    toy_data(tmp_path / "toy.npz")
    changes = {"lam": [0.0, 1.0], "trials": 1, "train": {**TOY["train"], "epochs": 2}}
    path = tmp_path / "quick.toml"
    path.write_text(toml.to_toml(from_table({**TOY, **changes})), encoding="utf-8")
    return path.name


def train(*arguments):
    return CliRunner().invoke(main, ["train", *arguments])


@pytest.mark.slow
def test_without_a_terminal_there_is_one_line_for_each_epoch_if_verbose(recipe):
    ran = train(recipe, "--out", "mine", "-v")
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == (
        "toy: 2 lanes (2 values of λ × 1 trial), 2 epochs each; 3 members, 99 parameters in total."
    )
    assert lines[1] == "Device: cpu, 1 thread; 1 lane at a time."
    assert lines[2] == "Execution: stacked, float64, 3 members at a time."
    assert lines[3].startswith("Disk space for mine: ")
    end = next(number for number, line in enumerate(lines) if DONE.fullmatch(line))
    fields = [LINE.fullmatch(line).groups() for line in lines[4:end]]
    assert [(lam, trial, epoch) for _, _, lam, trial, epoch, *_ in fields] == [
        (lam, "0", epoch) for lam in "01" for epoch in "012"
    ]
    assert [(done, of) for done, of, *_ in fields] == [(d, "4") for d in "012234"]
    sentences = [finding.sentence for finding in gather(Run("mine")).findings]
    assert all(f"  -   {sentence}" in lines[end:] for sentence in sentences)


@pytest.mark.slow
def test_training_ends_with_the_answer_and_the_same_when_it_is_resumed(recipe):
    ran = train(recipe, "--out", "mine")
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert [LINE.fullmatch(line).group(3, 5) for line in lines[4:6]] == [("0", "2"), ("1", "2")]
    assert DONE.fullmatch(lines[6])
    evidence = gather(Run("mine"))
    assert {"alerts", "dominance", "performance"} <= evidence.results.keys()
    answer = sentences(evidence)
    assert "Test error at the epoch" in lines[7]
    assert lines[-4 - len(answer) : -4] == answer != []
    commands = [f"  jtdiag {name} mine" for name in ("probe", "report", "plot")]
    assert lines[-4:] == ["Next:", *commands]

    again = train("mine", "--resume").stdout.splitlines()
    assert again[5:] == lines[7:]


@pytest.mark.slow
def test_training_is_quiet_or_ends_with_one_object(recipe):
    assert train(recipe, "--out", "mine", "-q").output == ""
    assert not (Run("mine").path / "results").exists()
    printed = train("mine", "--resume", "--json").output
    assert printed.count("\n") == 1
    record = json.loads(printed)
    evidence = gather(Run("mine"))
    assert (record["run"], record["answer"]) == ("mine", sentences(evidence))
    assert [f["sentence"] for f in record["findings"]] == [f.sentence for f in evidence.findings]


def test_a_dry_run_says_what_would_run_and_writes_nothing(recipe):
    before = sorted(Path().rglob("*"))
    ran = train(recipe, "--dry-run", "--out", "mine")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert sorted(Path().rglob("*")) == before
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in ran.stdout.splitlines())
    assert lines["members"] == "3 × 33 parameters, 99 in total"
    assert lines["lanes"] == "2 (2 values of λ × 1 trial), 1 at a time"
    assert lines["steps"] == "10 per lane, 2 epochs"
    assert lines["device"] == "cpu, 1 thread"
    assert lines["execution"] == "stacked, float64, 3 members at a time"
    assert re.fullmatch(
        r"\d+\.\d MB \(outputs \d+\.\d MB, checkpoints \d.\d MB\)", lines["disk space"]
    )
    assert re.fullmatch(r"about \S+ s \(\S+ ms per step\)", lines["time"])


def test_a_dry_run_of_a_part_names_its_lanes_and_writes_nothing(recipe):
    before = sorted(Path().rglob("*"))
    lanes = []
    for part in ("1/3", "2/3", "3/3"):
        ran = train(recipe, "--dry-run", "--part", part, "--set", "trials=2", "--out", "mine")
        assert (ran.exit_code, ran.stderr) == (0, "")
        [line] = [line for line in ran.stdout.splitlines() if line.startswith("part ")]
        lanes.append(line.removeprefix(f"part        {part}, "))
    assert lanes == ["trial 0: λ = 0; trial 1: λ = 1", "trial 0: λ = 1", "trial 1: λ = 0"]
    assert sorted(Path().rglob("*")) == before


def test_a_dry_run_of_missing_data_is_one_line(recipe):
    ran = train(recipe, "--dry-run", "--set", "data.name=none.npz")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_lines_tell_the_numbers_of_the_store(recipe):
    ran = train(recipe, "--out", "mine", "--set", "lam=0.3", "-v")
    metrics = Run("mine").metrics().isel(lam=0, trial=0)
    lines = list(filter(None, map(LINE.fullmatch, ran.stdout.splitlines())))
    assert len(lines) == 3
    for line in lines:
        *_, epoch, loss, error, _ = line.groups()
        at = metrics.sel(epoch=int(epoch))
        on_train = at.sel(split="train")
        expected = 0.3 * on_train["ensemble_loss"] + 0.7 * on_train["member_loss"].mean()
        assert float(loss) == pytest.approx(float(expected), abs=5.1e-5)
        val = float(at["ensemble_error"].sel(split="val"))
        assert float(error) == pytest.approx(100 * val, abs=5.1e-3)


@pytest.mark.slow
def test_the_folder_is_by_default_runs_and_the_recipes_name(recipe):
    assert train(recipe, "--set", "name=other").exit_code == 0
    assert Run("runs/other").done


@pytest.mark.slow
def test_fields_can_be_overridden(recipe):
    ran = train(recipe, "--set", "train.epochs=1", "--set", "lam=[0.5]", "--set", "data.val=10")
    assert ran.exit_code == 0
    run = Run("runs/toy")
    assert (run.recipe.train.epochs, run.recipe.lam, run.recipe.data.val) == (1, (0.5,), 10)
    assert run.recipe.members.count == 3


@pytest.mark.slow
def test_a_folder_that_holds_a_run_is_refused_in_one_line(recipe):
    train(recipe)
    seal = Run("runs/toy").path / "lanes" / "lam0-trial0.json"
    before = seal.stat().st_mtime_ns
    ran = train(recipe)
    assert ran.exit_code == 1
    assert ran.stderr == (
        "Error: runs/toy already contains a run. "
        "Resume a run with --resume, or choose another folder with --out.\n"
    )
    assert seal.stat().st_mtime_ns == before


def test_a_folder_that_holds_anything_else_is_refused_in_one_line(recipe, tmp_path):
    ran = train(recipe, "--out", str(tmp_path))
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {tmp_path} is not empty. ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("by", ["recipe", "folder"])
def test_interrupted_it_says_how_to_go_on_and_goes_on(recipe, monkeypatch, by):
    reports = []

    def interrupted(self, report):
        reports.append(report)
        if len(reports) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PlainLines, "epoch", interrupted)
        ran = train(recipe, "--out", "mine")
    assert ran.exit_code == 130
    assert ran.stderr == (
        "\nInterrupted. All completed epochs are saved; resume with: jtdiag train mine --resume\n"
    )
    assert "Trained" not in ran.stdout
    run = Run("mine")
    assert not run.done
    assert not run.training
    sealed = [run.seal(lane).epoch for lane in run.lanes]
    assert sealed == [2, sealed[1]]
    assert sealed[1] < 2

    arguments = ("mine", "--resume") if by == "folder" else (recipe, "--out", "mine", "--resume")
    ran = train(*arguments)
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert any(map(DONE.fullmatch, lines))
    assert sum(bool(LINE.fullmatch(line)) for line in lines) == 1
    assert run.done


def test_interrupted_before_anything_was_written_it_says_so(recipe, monkeypatch, tmp_path):
    def interrupted(self, plan):
        raise KeyboardInterrupt

    monkeypatch.setattr(PlainLines, "begin", interrupted)
    before = set(tmp_path.iterdir())
    ran = train(recipe, "--out", "mine")
    assert ran.exit_code == 130
    assert (
        ran.stderr == "\nInterrupted before anything was written. The same command starts again.\n"
    )
    assert set(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_a_finished_run_is_resumed_without_training(recipe):
    train(recipe)
    ran = train("runs/toy", "--resume")
    assert ran.exit_code == 0
    assert not LINE.search(ran.stdout)


@pytest.mark.slow
def test_another_recipe_does_not_resume_the_run(recipe):
    train(recipe)
    ran = train(recipe, "--resume", "--set", "seed=5", "--set", "train.batch=8")
    assert ran.exit_code == 1
    assert ran.stderr.startswith(
        "Error: runs/toy was made with another recipe; these fields differ: seed, train.batch. "
    )
