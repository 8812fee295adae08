"""`torchrun -m jtdiag train`: rank 0 alone prints, and no rank waits for ever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jtdiag.recipe import toml
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the ranks of torchrun"),
]


@pytest.fixture
def recipe(tmp_path):
    """The file of a recipe that takes minutes."""
    toy_data(tmp_path / "toy.npz")
    table = {**TOY, "trials": 1, "lam": [0.5], "data": {"name": str(tmp_path / "toy.npz")}}
    table |= {"train": {"epochs": 5000, "batch": 16, "lr": 0.01}, "keep": {"outputs": "none"}}
    table["keep"]["checkpoints"] = "none"
    file = tmp_path / "recipe.toml"
    file.write_text(toml.to_toml(toml.from_table(table)))
    return file


def start(*arguments):
    launcher = "-m torch.distributed.run --standalone --nproc-per-node 2 -m jtdiag"
    return subprocess.Popen(
        [sys.executable, *launcher.split(), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_epoch(process, path):
    deadline = time.monotonic() + 300
    while not (path / "recipe.toml").exists() or Run(path).seal(Run(path).lanes[0]).epoch < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)


def rank_processes(process):
    """Return the process numbers of the ranks."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    numbers = {}
    for child in map(int, children):
        for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"RANK="):
                numbers[int(entry.removeprefix(b"RANK="))] = child
    return numbers


def test_a_signal_to_torchrun_stops_all_ranks_after_a_sealed_epoch(recipe, tmp_path):
    process = start("train", recipe, "--out", tmp_path / "run")
    wait_for_epoch(process, tmp_path / "run")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode
    assert errors.count("Stopping: the running epoch is finished") == 1
    assert errors.count("Interrupted. All completed epochs are saved; resume with") == 1
    lane = Run(tmp_path / "run").lanes[0]
    assert 2 <= Run(tmp_path / "run").seal(lane).epoch < 5000
    assert list((tmp_path / "run" / "lanes").glob("*.npz"))


def test_ranks_do_not_wait_for_one_that_was_killed(recipe, tmp_path):
    process = start("train", recipe, "--out", tmp_path / "run")
    wait_for_epoch(process, tmp_path / "run")
    os.kill(rank_processes(process)[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode
    ours = [line for line in errors.splitlines() if line.startswith(("Error", "Interrupted"))]
    assert len(ours) == 1, errors
    assert Run(tmp_path / "run").history(Run(tmp_path / "run").lanes[0]).last >= 2


def test_an_error_and_another_command_print_one_line(recipe, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").touch()
    out, errors = start("train", recipe, "--out", tmp_path / "run").communicate(timeout=300)
    assert not out
    assert len([line for line in errors.splitlines() if line.startswith("Error: ")]) == 1
    assert errors.count("run is not empty") == 1
    _, errors = start("report", tmp_path / "run").communicate(timeout=300)
    assert errors.count("torchrun starts `jtdiag train` only") == 1
