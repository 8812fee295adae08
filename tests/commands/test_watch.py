import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

from jtdiag import train
from jtdiag.cli import main
from jtdiag.commands.watch import ALERTED
from jtdiag.engine.progress import Silent


def watch(run):
    return CliRunner().invoke(main, ["watch", str(run.path)])


def test_with_an_alert_the_exit_status_is_3(warned):
    ran = watch(warned.seal_all())
    assert ran.exit_code == ALERTED == 3
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == "λ = 0.9, trial 0: epoch 4 is sealed"
    assert lines[1] == "λ = 1, trial 0: epoch 4 is sealed"
    assert lines[2].startswith("ALERT λ = 1: after epoch 3, one member ")
    assert all(line.startswith("  -   λ = ") for line in lines[3:])
    assert len(lines) > 5


def test_without_an_alert_the_exit_status_is_0(by_hand, stories):
    ensemble = [[[[0.1] * 3] * 5]]
    ran = watch(by_hand(stories.errors(stories.good), ensemble, lam=(0.5,)).seal_all())
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "ALERT" not in ran.stdout


def test_of_a_run_that_died_it_says_in_one_line_how_to_go_on(warned):
    warned.seal_up_to(2)
    warned.close()
    ran = watch(warned.run)
    assert ran.exit_code == 1
    path = warned.run.path
    assert ran.stderr == (
        f"Error: {path}: the engine is gone before the run was done. "
        f"Go on with: jtdiag train {path} --resume\n"
    )


def test_an_alert_about_a_run_that_died_is_an_alert(warned):
    warned.seal_up_to(3)
    warned.close()
    ran = watch(warned.run)
    assert ran.exit_code == 3
    assert "ALERT" in ran.stdout


def test_what_is_no_run_is_one_line(tmp_path):
    ran = CliRunner().invoke(main, ["watch", str(tmp_path)])
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {tmp_path} is no run")
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_another_process_prints_the_alert_while_the_run_trains(short_demo_recipe, tmp_path):
    told = threading.Event()

    class WaitsForTheWarning(Silent):
        def epoch(self, report):
            if report.epoch == 3:  # it has been handed to the writer
                told.wait(60)

    path = tmp_path / "demo"
    program = "from jtdiag.cli import main; main()"
    watching = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, "watch", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    training = threading.Thread(
        target=train,
        args=(replace(short_demo_recipe, lam=(1.0,)), path),
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
            assert not told.is_set()
            assert '"done": true' not in (path / "lanes" / "lam0-trial0.json").read_text()
            told.set()
            rest, stderr = watching.communicate()
        assert (watching.returncode, stderr) == (3, "")
        assert "epoch 4 is sealed" in rest
    finally:
        told.set()
        training.join()
