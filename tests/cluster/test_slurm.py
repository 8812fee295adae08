"""Training on a real SLURM of one node; `slurm_on_one_node.sh` installs and starts one."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jtdiag.engine.train import train
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store.lanes import Lane, read_seal
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data

PAGE = Path(__file__).parents[2] / "docs" / "many-machines.md"
EPOCHS = 60
TRAINED = ("lanes", "store.zarr")
"""What training writes; commands write the results of probes as well."""
PATIENCE = 300
"""Seconds that a test waits for jobs."""


def answer(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def missing():
    """Return why there is no SLURM to test with; empty if there is one."""
    if shutil.which("sinfo") is None:
        return "SLURM is not installed (tests/cluster/slurm_on_one_node.sh install)"
    state = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
    if state.returncode or state.stdout.split()[:1] not in (["idle"], ["mixed"]):
        return f"SLURM has no idle node: {(state.stdout + state.stderr).strip()[:200]}"
    return ""


MISSING = missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe of three lanes in the folder that commands are given in."""
    toy_data(tmp_path / "toy.npz")
    table = {**TOY, "lam": [0, 0.5, 1], "trials": 1, "train": {**TOY["train"], "epochs": EPOCHS}}
    table["data"] = {**TOY["data"], "name": str(tmp_path / "toy.npz")}
    table["engine"] = {**TOY.get("engine", {}), "threads": 1}
    (tmp_path / "recipe.toml").write_text(toml.to_toml(from_table(table)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} took more than {PATIENCE} s"
        time.sleep(0.2)


def whole(folder):
    """Train the same run in this process, and return its folder."""
    return train(toml.read(folder / "recipe.toml"), folder / "whole").path


def test_an_array_job_of_which_a_task_is_interrupted_and_queued_again(folder, assert_same_files):
    [script] = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    script = script.replace("--array=1-16", "--array=1-3").replace("task=4", "task=1")
    (folder / "job.sh").write_text(script, encoding="utf-8")
    job = answer("sbatch", "--parsable", "job.sh").strip()
    run = folder / "runs" / "sweep"
    second = Lane(0, 1)
    wait_until(lambda: run.exists() and read_seal(run, second).epoch >= 1, "the second task")
    answer("scancel", "--batch", "--signal=USR1", f"{job}_2")
    log = next(folder.glob(f"slurm-{job}_2.out"))
    wait_until(lambda: "resume with" in log.read_text("utf-8"), "the end of the epoch")
    assert not Run(run).seal(second).done
    state = ("squeue", "-h", "-o", "%T", "-j", f"{job}_2")
    wait_until(lambda: answer(*state).strip() == "PENDING", "the queue")
    # SLURM waits two minutes; a start in the second of the end would be refused.
    answer("scontrol", "update", f"JobId={job}_2", "StartTime=now+5")
    wait_until(lambda: not answer("squeue", "-h", "-j", job), "the job")
    assert Run(run).done
    expected = whole(folder)
    for part in TRAINED:
        assert_same_files(run / part, expected / part)


CLUSTER = """
class = "dask_jobqueue.SLURMCluster"

[options]
cores = 1
memory = "1GB"
processes = 1
job_directives_skip = ["--mem"]
interface = "lo"
local_directory = "{folder}"

[scale]
jobs = 2
"""


def test_workers_that_slurm_starts(folder, assert_same_files):
    pytest.importorskip("dask_jobqueue")
    (folder / "cluster.toml").write_text(CLUSTER.format(folder=folder), encoding="utf-8")
    command = ("jtdiag", "train", "recipe.toml", "--out", "run", "--cluster", "cluster.toml")
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Run(folder / "run").done
    expected = whole(folder)
    for part in TRAINED:
        assert_same_files(folder / "run" / part, expected / part)


def test_jobs_that_submit_writes(folder, assert_same_files):
    pytest.importorskip("submitit")
    submit = ("jtdiag", "submit", "recipe.toml", "--out", "run", "--slurm", "cpus_per_task=1")
    told = answer(*submit, "--hours", "0.1", "--json")
    job = re.search(r"\b(\d+)_0\b", told)[1]
    wait_until(lambda: not answer("squeue", "-h", "-j", job), "the job")
    assert Run(folder / "run").done
    expected = whole(folder)
    for part in TRAINED:
        assert_same_files(folder / "run" / part, expected / part)
