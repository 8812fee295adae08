import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jtdiag.alerts.contract import NotSent
from jtdiag.alerts.dispatch import Dispatcher
from jtdiag.alerts.sinks.command import PLACEHOLDERS, Command
from jtdiag.errors import AlertError

WRITES = """#!{python}
import sys
open("arguments", "w", encoding="utf-8").write(chr(0).join(sys.argv[1:]))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def program(here):
    """Return a function that writes an executable file; by default one that notes its arguments."""

    def make(text=WRITES, name="note"):
        path = here / name
        path.write_text(text.format(python=sys.executable), encoding="utf-8")
        path.chmod(0o755)
        return f"./{name}"

    return make


def arguments():
    return Path("arguments").read_text(encoding="utf-8").split("\0")


def refused(line):
    with pytest.raises(AlertError) as caught:
        Command(line)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- arguments ------------------------------------------------------------------------------------


def test_every_placeholder_is_filled(program, finding):
    line = " ".join(f"{{{place}}}" for place in PLACEHOLDERS)
    Command(f"{program()} {line}").send(Path("runs/mine"), finding())
    assert dict(zip(PLACEHOLDERS, arguments(), strict=True)) == {
        "run": "runs/mine",
        "rule": "dominance",
        "epoch": "3",
        "lam": "1",
        "trials": "0",
        "members": "2,5",
        "number": "0.125",
        "limit": "0.55",
        "level": "alert",
        "sentence": finding().sentence,
    }


def test_no_shell_sees_quotes_dollars_or_semicolons(program, finding, here):
    run = 'runs/a b "c" $(touch harm)'
    Command(f"{program()} {{run}} 'it says: {{sentence}}' $HOME '*'").send(run, finding())
    assert arguments() == [run, f"it says: {finding().sentence}", "$HOME", "*"]
    assert not (here / "harm").exists()


def test_what_a_finding_does_not_have_is_an_empty_argument(program, finding):
    Command(f"{program()} x{{lam}} {{epoch}} {{limit}} {{trials}}").send(
        "runs/mine", finding(lam=None, epoch=None, limit=None, trials=())
    )
    assert arguments() == ["x", "", "", ""]


def test_braces_that_are_no_placeholder_stay(program, finding):
    Command(f'{program()} \'{{"text": "{{rule}}"}}\' {{}}').send("runs/mine", finding())
    assert arguments() == ['{"text": "dominance"}', "{}"]


# --- refused before training ----------------------------------------------------------------------


def test_an_unknown_placeholder_is_refused_with_those_that_there_are():
    said = refused("true {rule} {loss}")
    assert said.startswith(
        "--on-alert contains {loss}, which is not a placeholder; use {run}, {rule}, "
    )


@pytest.mark.parametrize("line", ["no-such-program-of-ours {rule}", "./none", "~/none", "{run}"])
def test_a_program_that_is_not_found_is_refused(here, line):
    assert f"names the program {line.split()[0]!r}, which does not exist" in refused(line)


def test_a_file_that_may_not_be_run_is_refused(here):
    Path("plain").write_text("", "utf-8")
    assert "which does not exist or is not executable" in refused("./plain")


def test_an_empty_line_and_open_quotes_are_refused():
    assert (
        refused("  ") == "--on-alert is empty; it must name a program, followed by its arguments."
    )
    assert refused("true 'open") == '--on-alert is "true \'open": No closing quotation; ' + (
        "close the quotation."
    )


# --- failing --------------------------------------------------------------------------------------


def test_a_status_is_told_with_the_last_words(program, finding):
    complains = '#!{python}\nimport sys\nsys.exit("first\\nmail: no such user")\n'
    with pytest.raises(NotSent) as caught:
        Command(program(complains)).send("runs/mine", finding())
    assert str(caught.value) == "exit status 1: mail: no such user"
    assert caught.value.kind == "exit status 1"
    with pytest.raises(NotSent, match="^exit status 1$"):
        Command("false").send("runs/mine", finding())


def test_a_program_that_takes_too_long_is_ended_with_its_children(program, finding, here):
    waits = (
        "#!{python}\nimport subprocess, sys\n"
        'child = \'import time; time.sleep(0.5); open("late", "w")\'\n'
        "subprocess.run([sys.executable, '-c', child])\n"
    )
    with pytest.raises(NotSent, match=r"^killed after 0\.2 seconds$"):
        Command(program(waits), timeout=0.2).send("runs/mine", finding())
    time.sleep(0.6)
    assert not (here / "late").exists()


def test_a_program_that_is_gone_when_it_is_needed_is_told(program, finding, here):
    command = Command(program())
    (here / "note").unlink()
    with pytest.raises(NotSent, match="^cannot be run: .*No such file"):
        command.send("runs/mine", finding())


def test_what_a_program_says_is_not_shown(program, finding, capfd):
    Command("echo {sentence}").send("runs/mine", finding())
    assert capfd.readouterr() == ("", "")


# --- ending with the run --------------------------------------------------------------------------


def alive(pid):
    """Return whether a process exists and has not ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state not in "ZX"


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


NOTES = "echo $$ > pid.new && mv pid.new pid; "


def pid_of(folder):
    assert wait_until((folder / "pid").exists)
    return int((folder / "pid").read_text())


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_a_command_that_is_still_running_is_killed_with_the_run(finding, here):
    lines = []
    dispatcher = Dispatcher(
        [Command(f"sh -c '{NOTES} while :; do sleep 0.05; done'")], lines.append
    )
    dispatcher.send("runs/mine", finding())
    pid = pid_of(here)
    assert alive(pid)
    dispatcher.close(timeout=0.1)
    assert wait_until(lambda: not alive(pid))
    assert lines == ["the command sh: gave up waiting for it to send 1 of 1 alert."]


@needs_proc
def test_a_process_left_in_the_background_is_killed_with_the_run(program, finding, here):
    script = program("#!/bin/sh\nsleep 60 2>/dev/null &\necho $! > pid.new && mv pid.new pid\n")
    with Dispatcher([Command(script)]) as dispatcher:
        dispatcher.send("runs/mine", finding())
        pid = pid_of(here)
        assert alive(pid)
    assert wait_until(lambda: not alive(pid))


@needs_proc
def test_a_command_that_suspends_its_group_suspends_nobody_else(finding, here):
    lines = []
    dispatcher = Dispatcher([Command(f"sh -c '{NOTES} kill -STOP 0'")], lines.append)
    dispatcher.send("runs/mine", finding())
    pid = pid_of(here)
    dispatcher.close(timeout=0.3)  # this test would never end if it were suspended
    assert wait_until(lambda: not alive(pid))
    assert len(lines) == 1


def test_after_the_run_no_command_is_started(finding):
    command = Command("true")
    command.stop()
    with pytest.raises(NotSent, match="the run has ended"):
        command.send("runs/mine", finding())


def test_stopping_ends_a_send_that_is_waiting(finding):
    command, reasons = Command("sleep 60"), []

    def send():
        try:
            command.send("runs/mine", finding())
        except NotSent as error:
            reasons.append(str(error))

    thread = threading.Thread(target=send)
    thread.start()
    assert wait_until(lambda: bool(command._groups.running))
    command.stop()
    thread.join(5)
    assert reasons == ["exit status -9"]


@pytest.mark.slow
@needs_proc
def test_a_command_does_not_outlive_the_program_that_trains(here):
    """The same in a process of its own, as `jtdiag train` ends."""
    code = f"""
from jtdiag.alerts import dispatch
from jtdiag.alerts.sinks.command import Command
from jtdiag.probing.findings import Finding

dispatch.PATIENCE = 0.5
alert = Finding(probe="alerts", rule="dominance", level="alert", sentence="x", number=1.0)
with dispatch.Dispatcher([Command("sh -c '{NOTES} exec yes'")]) as dispatcher:
    dispatcher.send("runs/mine", alert)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0
    pid = pid_of(here)
    assert wait_until(lambda: not alive(pid))


@pytest.mark.slow
@needs_proc
def test_a_command_ends_when_the_program_that_trains_is_killed(here):
    """Nothing of that program can run then; a process that waits for its end kills the command."""
    code = f"""
import time
from jtdiag.alerts.dispatch import Dispatcher
from jtdiag.alerts.sinks.command import Command
from jtdiag.probing.findings import Finding

alert = Finding(probe="alerts", rule="dominance", level="alert", sentence="x", number=1.0)
Dispatcher([Command("sh -c '{NOTES} sleep 60 & sleep 60'")]).send("runs/mine", alert)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        pid = pid_of(here)
        time.sleep(0.2)  # until the group is known to the guard
        children = [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        assert alive(pid)
        assert children
        process.kill()
    assert wait_until(lambda: not any(map(alive, [pid, *children])))
