"""Array jobs: what the tasks do, and what is given to sbatch, without a SLURM."""

import json
import os
import pickle
import re
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from submitit.core import utils

from jtdiag.commands import main
from jtdiag.engine import parts
from jtdiag.engine.parts import Part
from jtdiag.engine.session import Session
from jtdiag.engine.train import train
from jtdiag.errors import ClusterError, RecipeError
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data
from jtdiag.workflows import submitting
from jtdiag.workflows.submitting import NO_LIMIT, PartTraining, submit

SBATCH = """#!/bin/sh
cp "$1" {folder}/script.sh
echo "Submitted batch job 4711"
"""


@pytest.fixture
def recipe(tmp_path):
    toy_data(tmp_path / "toy.npz")
    table = {**TOY, "name": "toy", "lam": [0, 1], "trials": 2}
    table["data"] = {**TOY["data"], "name": str(tmp_path / "toy.npz")}
    recipe = from_table(table)
    (tmp_path / "toy.toml").write_text(toml.to_toml(recipe), "utf-8")
    return recipe


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins for the programs of SLURM; sbatch keeps its script."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sbatch": SBATCH.format(folder=tmp_path), "srun": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text, "utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(run):
    """Return everything in the store of a run, by file."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in sorted((run.path / "store.zarr").rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_tasks_in_processes_of_their_own_train_the_run_of_one_process(
    recipe, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    jobs = submit(recipe, tmp_path / "run", 2, options={"timeout_min": 30}, cluster="local")
    assert [job.result() for job in jobs] == [str(tmp_path / "run")] * 2
    assert (tmp_path / "run.jobs").is_dir()
    run = Run(tmp_path / "run")
    assert all(lanes.read_seal(run.path, lane).done for lane in run.lanes)
    assert content(run) == content(train(recipe, tmp_path / "alone"))


@pytest.fixture
def task(recipe, tmp_path):
    """The second of four tasks, whose part is one lane."""
    [lane] = parts.lanes_of(Part(2, 4), recipe, Session.of(recipe).groups())
    return PartTraining(recipe, tmp_path / "run", Part(2, 4), [lane])


def test_a_task_at_its_time_limit_is_put_into_the_queue_again(task, tmp_path):
    assert task.checkpoint().function is task
    assert task() == task() == str(tmp_path / "run")  # the second finds it complete
    run = Run(tmp_path / "run")
    assert sum(lanes.read_seal(run.path, lane).done for lane in run.lanes) == 1


def test_a_task_that_never_completes_an_epoch_is_given_up(task, monkeypatch):
    monkeypatch.setattr(submitting, "train", lambda *_, **__: Mock(path="run"))
    for _ in range(2):
        task()
        task = pickle.loads(pickle.dumps(task.checkpoint().function))  # as submitit does
    task()
    with pytest.raises(ClusterError, match=r"part 2/4: no epoch was completed in 3 starts"):
        task.checkpoint()


def test_a_task_may_reach_its_time_limit_as_often_as_it_completes_an_epoch(task, monkeypatch):
    epochs = iter([number for start in range(20) for number in (start, start + 1)])
    monkeypatch.setattr(submitting, "train", lambda *_, **__: Mock(path="run"))
    monkeypatch.setattr(PartTraining, "_sealed", lambda self: next(epochs))
    for _ in range(20):
        task()
        assert task.checkpoint() is not None


def test_the_command_gives_sbatch_an_array_and_its_options(slurm, recipe):
    options = ["--hours", "1.5", "--slurm", "partition=cpu", "--slurm", "cpus_per_task=4"]
    ran = CliRunner().invoke(main, ["submit", "toy.toml", "--out", "sweep", *options])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "Submitted 4 jobs: 4711_0 to 4711_3. Their output: sweep.jobs. Next: jtdiag watch sweep\n"
    )
    script = (slurm / "script.sh").read_text("utf-8")
    given = dict(re.findall(r"#SBATCH --([a-z-]+)=(.*)", script))
    assert (given["partition"], given["cpus-per-task"], given["time"]) == ("cpu", "4", "90")
    assert given["array"].startswith("0-3")
    assert given["job-name"] == "toy"
    assert sys.executable in script
    [submitted] = Path("sweep.jobs").glob("*_0_submitted.pkl")
    assert utils.DelayedSubmission.load(submitted)._timeout_countdown == NO_LIMIT
    record = CliRunner().invoke(main, ["submit", "toy.toml", "--parts", "1", "--json"])
    assert json.loads(record.stdout) == {"run": "runs/toy", "jobs": ["4711"]}
    assert CliRunner().invoke(main, ["submit", "toy.toml", "-q"]).stdout == ""


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["--slurm", "colour=red"], "The jobs were not submitted: "),
        (["--parts", "5"], "--part is 5/5, which has no lane"),
    ],
)
def test_what_cannot_be_submitted_is_one_line(slurm, recipe, options, answer):
    ran = CliRunner().invoke(main, ["submit", "toy.toml", *options])
    assert ran.exit_code == 1
    assert answer in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not Path("script.sh").exists()


def test_without_slurm_or_submitit_it_says_what_is_missing(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClusterError, match=r"The jobs were not submitted: .*srun"):
        submit(recipe, tmp_path / "run")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ClusterError, match=r"pip install 'jtdiag\[slurm\]'"):
        submit(recipe, tmp_path / "run")
    with pytest.raises(RecipeError, match="no lane"):
        submit(recipe, tmp_path / "run", 99)
