"""The script of the manual for SLURM, with SLURM's variables and a stand-in for scontrol."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jtdiag.engine.train import train
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data

PAGE = Path(__file__).parents[2] / "docs" / "many-machines.md"
EPOCHS = 60


@pytest.fixture
def folder(tmp_path):
    [script] = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "job.sh").write_text(script, encoding="utf-8")
    toy_data(tmp_path / "toy.npz")
    table = {**TOY, "lam": [0, 1], "trials": 1, "train": {**TOY["train"], "epochs": EPOCHS}}
    table["data"] = {**TOY["data"], "name": str(tmp_path / "toy.npz")}
    (tmp_path / "recipe.toml").write_text(toml.to_toml(from_table(table)), encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "scontrol").write_text('#!/bin/sh\necho "$@" >> scontrol.txt\n', encoding="utf-8")
    (programs / "scontrol").chmod(0o755)
    return tmp_path


def task(folder, number):
    """Start a task of the array job, in a group of processes of its own."""
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "SLURM_ARRAY_JOB_ID": "4711",
        "SLURM_ARRAY_TASK_ID": str(number),
        "SLURM_ARRAY_TASK_COUNT": "2",
    }
    return subprocess.Popen(
        ["bash", "job.sh"],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_epoch(path, lam_index):
    deadline = time.monotonic() + 600
    while lanes.read_seal(path, lanes.Lane(0, lam_index)).epoch < 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_the_script_trains_its_part_and_asks_to_be_queued_again_before_the_time_limit(folder):
    path = folder / "runs" / "sweep"
    first, second = task(folder, 1), task(folder, 2)
    wait_for_epoch(path, 1)
    second.send_signal(signal.SIGUSR1)
    output, _ = second.communicate(timeout=600)
    assert second.returncode == 138, output
    assert output.endswith("resume with: jtdiag train runs/sweep --resume --part 2/2\n")
    assert (folder / "scontrol.txt").read_text("utf-8") == "requeue 4711_2\n"
    assert not Run(path).seal(lanes.Lane(0, 1)).done
    again = task(folder, 2)
    for process in (first, again):
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    run = Run(path)
    assert run.done
    assert (
        re.search(r"Part 2/2, trial 0: λ = 1\.", output) or "Part: 2/2, trial 0: λ = 1." in output
    )
    whole = train(run.recipe, folder / "whole")
    assert run.metrics().equals(whole.metrics())
