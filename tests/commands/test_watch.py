import json
import math
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest
import zarr
from click.testing import CliRunner

from jtdiag import train
from jtdiag.alerts.dispatch import Dispatcher
from jtdiag.commands import main
from jtdiag.commands.watch import ALERTED, INTERRUPTED
from jtdiag.engine.progress import NullListener as SilentListener
from jtdiag.loading import Registry
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane
from jtdiag.terminal.watch_lines import KINDS, as_json
from jtdiag.watch.events import (
    Appeared,
    Ended,
    Errors,
    Gone,
    Resumed,
    RunEvent,
    Sealed,
    Stalled,
    Trouble,
)

command = import_module("jtdiag.commands.watch")


def watch(run, *options):
    return CliRunner().invoke(main, ["watch", str(run.path), *options])


@pytest.mark.slow
def test_with_an_alert_the_exit_status_is_3(warned):
    ran = watch(warned.seal_all())
    assert ran.exit_code == ALERTED == 3
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == (
        "λ = 0.9, trial 0, epoch 4: training error 10.0 % (ensemble), 15.5 % (median member)"
    )
    assert lines[1].startswith("λ = 1, trial 0, epoch 4: training error 10.0 % (ensem")
    assert lines[2].startswith("ALERT λ = 1: after epoch 3, one member ")
    assert all(line.startswith(("  -   λ = ", "  -   At λ = ")) for line in lines[3:])
    assert len(lines) > 5


@pytest.mark.slow
def test_without_an_alert_the_exit_status_is_0(by_hand, stories):
    ensemble = [[[[0.1] * 3] * 5]]
    ran = watch(by_hand(stories.errors(stories.good), ensemble, lam=(0.5,)).seal_all())
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "ALERT" not in ran.stdout


@pytest.mark.slow
def test_of_a_run_that_died_it_says_in_one_line_how_to_go_on(warned):
    warned.seal_up_to(2)
    warned.close()
    ran = watch(warned.run)
    assert ran.exit_code == 1
    path = warned.run.path
    assert ran.stderr == (
        f"Error: {path}: the training process exited before the run was complete. "
        f"Resume with: jtdiag train {path} --resume\n"
    )


@pytest.mark.slow
def test_an_alert_about_a_run_that_died_is_an_alert(warned):
    warned.seal_up_to(3)
    warned.close()
    ran = watch(warned.run)
    assert ran.exit_code == 3
    assert "ALERT" in ran.stdout


def test_what_is_no_run_is_one_line(tmp_path):
    (tmp_path / "recipe.toml").write_text("")
    ran = CliRunner().invoke(main, ["watch", str(tmp_path)])
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {tmp_path} is not a run")
    assert ran.stderr.count("\n") == 1


def test_a_run_that_is_removed_while_it_is_watched_is_one_line(warned, asleep):
    warned.seal_up_to(1)
    asleep(lambda: shutil.rmtree(warned.run.path))
    ran = watch(warned.run)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {warned.run.path} no longer exists")


def test_interrupted_it_says_that_training_goes_on(warned, asleep):
    asleep(interrupt)
    ran = watch(warned.run)
    assert ran.exit_code == INTERRUPTED == 130
    assert ran.stderr == "Stopped watching; training is not affected.\n"


def test_while_it_watches_zarr_keeps_one_thread(warned, asleep):
    before = zarr.config.get("threading.max_workers")
    threads = []
    asleep(lambda: threads.append(zarr.config.get("threading.max_workers")), interrupt)
    watch(warned.run)
    assert threads == [1]
    assert zarr.config.get("threading.max_workers") == before


def test_once_the_picture_is_printed_and_the_run_goes_on(warned, asleep):
    warned.seal_up_to(2)
    asleep()
    ran = watch(warned.run, "--once")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "training" in ran.stdout
    assert "median member" in ran.stdout


# --- lines of JSON --------------------------------------------------------------------------------


def objects(ran):
    return [json.loads(line) for line in ran.stdout.splitlines()]


FIELDS = {
    "run": {"state", "lanes", "epochs", "members"},
    "epoch": {
        "lam", "lam_at", "trial", "epoch", "epochs", "ensemble_error", "median_error",
        "best_error", "leader", "done", "stopped",
    },
    "finding": {
        "probe", "rule", "level", "sentence", "number", "limit", "lam", "trials", "epoch",
        "members",
        "headline",
    },
    "silent": {"seconds"},
    "resumed": set(),
    "ended": {"done"},
    "gone": set(),
    "trouble": {"what"},
}  # fmt: skip


def test_every_event_has_its_fields_in_json():
    events = [
        Appeared(state="training", lanes=1, epochs=2, members=3),
        Sealed(lane=Lane(0, 0), epoch=1),
        Finding(probe="p", rule="r", level="info", number=1.0, sentence="S."),
        Stalled(seconds=70.0),
        Resumed(),
        Ended(done=True),
        Gone(),
        Trouble(what="W."),
    ]
    assert [KINDS[type(event)] for event in events] == list(FIELDS) == list(KINDS.values())
    for event in events:
        values = as_json(RunEvent(run=Path("runs/a"), event=event))
        assert values["run"] == "runs/a"
        assert values.keys() == {"time", "run", "event"} | FIELDS[values["event"]]


def test_every_field_is_described_in_the_manual():
    page = (Path(__file__).parents[2] / "docs" / "watch.md").read_text("utf-8")
    for event, fields in FIELDS.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{event}`")]
        assert {f"`{name}`" for name in fields} <= set(re.findall(r"`\w+`", row))


def test_an_event_in_json_has_its_time_in_utc():
    now = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    values = as_json(RunEvent(run=Path("a"), event=Gone()), now)
    assert values == {"time": "2026-01-02T03:04:05.678Z", "run": "a", "event": "gone"}


def test_a_number_that_is_none_is_null_in_json():
    errors = Errors(ensemble=math.nan, median=math.inf, best=0.5, leader=0)
    values = as_json(RunEvent(run=Path("a"), event=Sealed(lane=Lane(1, 2), epoch=3, errors=errors)))
    assert (values["ensemble_error"], values["median_error"], values["best_error"]) == (
        None,
        None,
        0.5,
    )
    assert values["trial"] == 1
    json.dumps(values, allow_nan=False)


@pytest.mark.slow
def test_a_run_in_json(warned):
    ran = watch(warned.seal_all(), "--json")
    assert ran.exit_code == 3
    events = objects(ran)
    assert [values["event"] for values in events][:4] == ["run", "epoch", "epoch", "finding"]
    assert events[-1]["event"] == "ended"
    assert events[1]["median_error"] == pytest.approx(0.155)
    assert {values["run"] for values in events} == {str(warned.run.path)}


# --- a folder of runs -----------------------------------------------------------------------------


@pytest.fixture
def asleep(monkeypatch):
    """Return a function that says what happens each time the command sleeps, step by step."""

    def happens(*steps):
        left = list(steps)

        def sleep(seconds):
            assert left, "the watch goes on although nothing more will happen"
            left.pop(0)()

        monkeypatch.setattr(command, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: 0.0))

    return happens


def interrupt():
    raise KeyboardInterrupt


@pytest.fixture
def two(by_hand, stories):
    """Two runs of one lane; λ = 1 of the second will be led."""
    ensemble = [[[[e] * 3 for e in stories.ensemble]]]
    return [
        by_hand(stories.errors(stories.good), ensemble, lam=(0.5,), name="good"),
        by_hand(stories.errors(stories.led), ensemble, lam=(1.0,), name="led"),
    ]


@pytest.mark.slow
def test_a_folder_is_watched_until_it_is_interrupted(two, asleep, tmp_path):
    good, led = two
    asleep(good.seal_all, lambda: led.seal_up_to(3), interrupt)
    ran = CliRunner().invoke(main, ["watch", str(tmp_path)])
    assert ran.exit_code == 130
    lines = ran.stdout.splitlines()
    assert lines[:2] == [
        "good: training; 1 lane of 4 epochs, 4 members",
        "led: training; 1 lane of 4 epochs, 4 members",
    ]
    assert lines[2].startswith("good: λ = 0.5, trial 0, epoch 4: training error 10.0 %")
    assert lines[3] == "good: done"
    assert lines[4].startswith("led: λ = 1, trial 0, epoch 3: training error")
    assert lines[5].startswith("ALERT led: λ = 1: after epoch 3, one member dominates the ensemble")
    assert len(lines) == 6


@pytest.mark.slow
def test_until_done_a_folder_ends_with_its_runs_and_the_status_tells_of_alerts(
    two, asleep, tmp_path
):
    asleep(*(run.seal_all for run in two))
    ran = CliRunner().invoke(main, ["watch", str(tmp_path), "--until-done"])
    assert (ran.exit_code, ran.stderr) == (3, "")


@pytest.mark.slow
def test_until_done_without_an_alert_the_dead_are_named(two, tmp_path):
    good, led = two
    good.seal_all()
    led.seal_up_to(1)
    led.close()
    ran = CliRunner().invoke(main, ["watch", str(tmp_path), "--until-done"])
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"Error: {led.run.path}: the training process exited before the run was complete. "
        f"Resume with: jtdiag train {led.run.path} --resume\n"
    )


@pytest.mark.slow
def test_of_runs_that_were_over_a_log_says_that_they_are_there(two, tmp_path):
    for run in two:
        run.seal_all()
    ran = CliRunner().invoke(main, ["watch", str(tmp_path), "--until-done", "--json"])
    assert [(values["event"], Path(values["run"]).name) for values in objects(ran)] == [
        ("run", "good"),
        ("run", "led"),
        ("finding", "led"),
    ]


@pytest.mark.slow
def test_no_cheap_probe_is_asked_of_a_folder(two, tmp_path, monkeypatch):
    monkeypatch.setattr(Registry, "all", lambda self: pytest.fail("probes were loaded"))
    for run in two:
        run.seal_all()
    assert CliRunner().invoke(main, ["watch", str(tmp_path), "--until-done"]).exit_code == 3


def test_a_folder_without_runs_is_waited_in(asleep, tmp_path):
    asleep(interrupt)
    ran = CliRunner().invoke(main, ["watch", str(tmp_path)])
    assert ran.exit_code == 130
    assert ran.stderr.startswith(f"No runs in {tmp_path} yet; waiting.\n")


def test_a_folder_that_stays_without_runs_is_not_waited_in_until_done(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "PATIENCE", 0.0)
    ran = CliRunner().invoke(main, ["watch", str(tmp_path), "--until-done"])
    assert ran.exit_code == 1
    assert ran.stderr.endswith(
        f"Error: {tmp_path} contains no runs; pass a run or a folder of runs.\n"
    )


@pytest.mark.slow
def test_alerts_go_where_they_are_sent_but_for_those_of_runs_that_were_over(
    two, by_hand, stories, asleep, tmp_path, monkeypatch
):
    sent = []
    monkeypatch.setattr(
        Dispatcher, "send", lambda self, run, finding: sent.append((run.name, finding.rule))
    )
    two[1].seal_all()
    ensemble = [[[[e] * 3 for e in stories.ensemble]]]
    together = by_hand(stories.errors(stories.together), ensemble, lam=(1.0,), name="together")
    asleep(two[0].seal_all, together.seal_all)
    ran = CliRunner().invoke(main, ["watch", str(tmp_path), "--until-done"])
    assert ran.stdout.count("ALERT") == 2
    assert sent == [("together", "codependence")]


def test_what_was_not_sent_is_told_when_the_screen_has_ended(monkeypatch, capsys):
    notes = command.Notes()
    monkeypatch.setattr(command.sys.stdout, "isatty", lambda: True, raising=False)
    with notes.kept():
        notes.take("An alert was not sent.")
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "An alert was not sent.\n"
    notes.take("Another.")
    assert capsys.readouterr().err == "Another.\n"


# --- beside a training that is real ---------------------------------------------------------------


@pytest.mark.slow
def test_another_process_prints_the_alert_while_the_run_trains(short_demo_recipe, tmp_path):
    warned_event = threading.Event()

    class WaitsForTheWarning(SilentListener):
        def epoch(self, report):
            if report.epoch == 3:  # it has been handed to the writer
                warned_event.wait(60)

    path = tmp_path / "demo"
    program = "from jtdiag.commands import main; main()"
    watching = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, "watch", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    training = threading.Thread(
        target=train,
        args=(attrs.evolve(short_demo_recipe, lam=(1.0,)), path),
        kwargs={"listener": WaitsForTheWarning()},
    )
    training.start()
    try:
        with watching:
            for line in watching.stdout:
                if line.startswith("ALERT λ = 1: after epoch 3"):
                    break
            else:
                pytest.fail(f"no alert came while the run trained: {watching.stderr.read()}")
            assert not warned_event.is_set()
            assert '"done": true' not in (path / "lanes" / "lam0-trial0.json").read_text()
            warned_event.set()
            rest, stderr = watching.communicate()
        assert (watching.returncode, stderr) == (3, "")
        assert "trial 0, epoch 4: " in rest
    finally:
        warned_event.set()
        training.join()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_sigterm_ends_the_watch_and_the_commands_of_its_alerts(warned, tmp_path):
    def alive(pid):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    def waited(condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)
        return condition()

    warned.seal_up_to(3)
    pid_file = tmp_path / "pid"
    line = f"sh -c 'echo $$ > {pid_file}.new && mv {pid_file}.new {pid_file}; exec sleep 300'"
    program = "from jtdiag.commands import main; main()"
    watching = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            "watch",
            str(warned.run.path),
            "--plain",
            "--on-alert",
            line,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with watching:
        assert waited(pid_file.exists)
        pid = int(pid_file.read_text())
        assert alive(pid)
        watching.send_signal(signal.SIGTERM)
        _, errors = watching.communicate(timeout=60)
    assert watching.returncode == 143
    assert "gave up waiting for it to send 1 of 1 alert" in errors
    assert waited(lambda: not alive(pid), 5)
