"""Signals to the real process: nothing sealed is lost, and the command says how to go on."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jtdiag import names
from jtdiag.engine.train import train
from jtdiag.recipe.presets import find
from jtdiag.store.run import Run

COMMAND = "from jtdiag.commands import main; main(prog_name='jtdiag')"
READY = """
import signal
set_handler = signal.signal

def report(number, handler):
    before = set_handler(number, handler)
    if number == signal.SIGTERM:
        print("ready", flush=True)
    return before

signal.signal = report
"""
"""Reports when the command handles signals."""
OVERRIDES = ("trials=1", "lam=[0, 1]", "train.epochs=15")


def start(path, *options, prelude=""):
    sets = [part for override in OVERRIDES for part in ("--set", override)]
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            prelude + COMMAND,
            "train",
            "demo",
            "--out",
            str(path),
            *sets,
            *options,
        ],
        stdout=subprocess.PIPE if prelude else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for_epoch(path, epoch):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            run = Run(path)
            if min(run.seal(lane).epoch for lane in run.lanes) >= epoch:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError("no epoch was sealed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that no signal ends."""
    return train(find("demo", OVERRIDES), tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.one_in(2)
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_training_and_it_goes_on_to_the_same_store(tmp_path, whole, number):
    path = tmp_path / "run"
    process = start(path)
    wait_for_epoch(path, 1)
    process.send_signal(number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "Traceback" not in error
    assert "Stopping: the running epoch is finished if that takes at most 10 s." in error
    assert error.endswith(
        f"Interrupted. All completed epochs are saved; resume with: jtdiag train {path} --resume\n"
    )
    run = Run(path)
    assert run.check() > 0
    assert not run.done
    assert not run.training
    resumed = train(find("demo", OVERRIDES), path, resume=True)
    for name in names.METRIC_VARIABLES:
        np.testing.assert_array_equal(resumed.metrics()[name], whole.metrics()[name])


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once_without_a_traceback(tmp_path):
    path = tmp_path / "run"
    process = start(path, "--grace", "1000")
    wait_for_epoch(path, 1)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in error
    assert "resume with" in error
    assert Run(path).check() > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_command_starts_is_answered_at_once_and_nothing_is_written(
    tmp_path, number
):
    """Imports alone take seconds; before, this was "Aborted!" or nothing at all."""
    path = tmp_path / "run"
    process = start(path, "--set", "data.name=nothing.npz", prelude=READY)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    begun = time.monotonic()
    _, error = process.communicate(timeout=120)
    assert time.monotonic() - begun < 20
    assert process.returncode == 128 + number
    assert error == ("\nInterrupted before anything was written. The same command starts again.\n")
    assert list(tmp_path.iterdir()) == []


WAITING = """
import ctypes
from jtdiag.terminal.signals import stoppable

with stoppable(1000, lambda: "All is saved.") as stop, stop.heeding():
    print("ready", flush=True)
    sigset = ctypes.create_string_buffer(128)
    ctypes.CDLL(None).sigwait(sigset, ctypes.create_string_buffer(8))  # for no signal: for ever
"""


@pytest.mark.skipif(sys.platform != "linux", reason="waits as Linux does")
def test_a_second_signal_does_not_wait_for_a_long_computation():
    """A batch may take many seconds, and no handler of Python runs before its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert error == "\nAll is saved.\n"
