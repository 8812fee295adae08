"""Programs that end with the process that started them, however it ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jtdiag.alerts.process_groups import ProcessGroups

KILLED_BEFORE_TELLING = """
import os, signal, sys
from jtdiag.alerts import process_groups

def killed(process):
    print(process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

process_groups._tell_to_start = killed
process_groups.ProcessGroups().start(["touch", sys.argv[1]])
"""


def ended(pid):
    """Wait for a process to end; return whether it has."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_process_that_is_killed_before_its_program_starts_leaves_none(tmp_path):
    file = tmp_path / "started"
    ran = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_TELLING, str(file)], stdout=subprocess.PIPE
    )
    assert ran.returncode == -signal.SIGKILL
    assert ended(int(ran.stdout))
    assert not file.exists()


def test_a_program_has_its_arguments_no_input_and_its_own_group():
    groups = ProcessGroups()
    process = groups.start(
        ["sh", "-c", 'cat; echo "$1" >&2; echo $$ >&2; exit 3', "sh", "a b $HOME"]
    )
    _, errors = process.communicate(timeout=20)
    argument, group = errors.decode().split("\n")[:2]
    assert (argument, int(group)) == ("a b $HOME", process.pid)
    assert process.returncode == 3
    groups.stop()


def test_a_program_that_does_not_exist_is_an_error_of_the_system():
    with pytest.raises(OSError, match="no-such-program"):
        ProcessGroups().start(["no-such-program"])
