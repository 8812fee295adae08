"""`jtdiag train` with places for alerts, from its command line to what arrives."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.alerts import dispatch
from jtdiag.alerts.sinks import webhook
from jtdiag.commands import main
from jtdiag.probing import findings as finding
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.terminal.training import PlainLines
from jtdiag.testing import TOY, toy_data

ALERT = re.compile(r"ALERT λ = 1: after epoch 2, the training loss increased from .*")


@pytest.fixture(autouse=True)
def alarming(tmp_path, monkeypatch):
    """In the current folder, a recipe of one lane that diverges in its second epoch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JTDIAG_WEBHOOK", raising=False)
    toy_data(tmp_path / "toy.npz")
    training = {**TOY["train"], "epochs": 2, "lr": 100.0}
    recipe = from_table({**TOY, "lam": [1.0], "trials": 1, "train": training})
    Path("alarming.toml").write_text(toml.to_toml(recipe), encoding="utf-8")


@pytest.fixture
def impatient(monkeypatch):
    """Webhooks that try again at once."""
    monkeypatch.setattr(webhook, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def train(*options, status=0):
    ran = CliRunner().invoke(main, ["train", "alarming.toml", "--out", "mine", *options])
    assert ran.exit_code == status, ran.output
    return ran


def refused(*options):
    ran = train(*options, status=1)
    assert ran.stderr.startswith("Error: --")
    assert ran.stderr.count("\n") == 1
    assert not Path("mine").exists()
    return ran.stderr


def recorded():
    """Return the alerts of rules in the file of findings."""
    return [f for f in finding.read(Path("mine")) if (f.probe, f.level) == ("alerts", "alert")]


# --- arriving -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_alert_is_shown_recorded_posted_and_given_to_a_command(server, impatient):
    note = Path("note")
    note.write_text(f"#!{sys.executable}\nimport sys\nopen(sys.argv[1], 'w').write(sys.argv[2])\n")
    note.chmod(0o755)
    ran = train(
        *("--webhook", server.url),
        *("--on-alert", "./note {rule}-{epoch} {sentence}"),
        *("--tensorboard", "mine/board"),
    )
    assert ran.stderr == ""
    [shown] = [line for line in ran.stdout.splitlines() if ALERT.fullmatch(line)]
    [kept] = recorded()
    assert shown == f"ALERT {kept.sentence}"
    assert (kept.probe, kept.rule, kept.lam, kept.trials) == ("alerts", "divergence", 1.0, (0,))
    [posted] = server.posted
    assert (posted["run"], posted["sentence"], posted["epoch"]) == ("mine", kept.sentence, 2)
    assert Path("divergence-2").read_text("utf-8") == kept.sentence
    assert len(list(Path("mine/board").iterdir())) == 1


@pytest.mark.slow
def test_a_webhook_may_stand_in_the_environment(server, impatient, monkeypatch):
    monkeypatch.setenv("JTDIAG_WEBHOOK", server.url)
    train()
    assert len(server.posted) == 1


@pytest.mark.slow
def test_gone_on_with_the_alert_is_neither_shown_nor_sent_again(server, impatient):
    train("--webhook", server.url)
    before = recorded()
    ran = train("--webhook", server.url, "--set", "train.epochs=2", "--resume")
    assert "ALERT" not in ran.stdout
    assert len(server.posted) == 1
    assert recorded() == before


# --- failing --------------------------------------------------------------------------------------


def told_once(ran):
    """Training went on to its end, its alert was shown, and one line says what failed.

    Where findings cannot be recorded, another one says that the answer is incomplete.
    """
    assert Run("mine").done
    assert any(ALERT.fullmatch(line) for line in ran.stdout.splitlines())
    line, *others = ran.stderr.splitlines()
    assert all(other.startswith("The answer is incomplete. ") for other in others)
    return line


@pytest.mark.slow
def test_a_webhook_that_is_down_is_a_line_and_training_goes_on(nobody, impatient):
    line = told_once(train("--webhook", nobody))
    assert line.endswith(
        ": Connection refused (5 attempts). The run is not affected; "
        "further failures of this kind are not reported."
    )
    assert line.startswith("An alert was not sent to the webhook at http://127.0.0.1:")
    assert "SECRET" not in line


@pytest.mark.slow
def test_a_webhook_that_never_answers_is_a_line_and_training_goes_on(
    server, impatient, monkeypatch
):
    monkeypatch.setattr(dispatch, "PATIENCE", 0.2)
    server.answers = [None]
    line = told_once(train("--webhook", server.url))
    assert line.endswith(": gave up waiting for it to send 1 of 1 alert.")


@pytest.mark.slow
def test_a_command_that_fails_is_a_line_and_training_goes_on():
    assert "the command false: exit status 1." in told_once(train("--on-alert", "false"))


@pytest.mark.slow
def test_a_full_disk_is_a_line_and_training_goes_on(monkeypatch):
    write = finding.files.write_atomically

    def full(path, text):
        if path.name == finding.LOG:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, text)

    monkeypatch.setattr(finding.files, "write_atomically", full)
    assert told_once(train()) == (
        "mine/findings.jsonl: cannot be written: [Errno 28] No space left on device. "
        "Training continues; the next alert tries again."
    )


@pytest.mark.slow
def test_interrupted_while_a_webhook_hangs_it_ends(server, impatient, monkeypatch):
    monkeypatch.setattr(dispatch, "INTERRUPTED", 0.2)
    server.answers = [None]

    def interrupted(self, report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(PlainLines, "epoch", interrupted)
    ran = train("--webhook", server.url, status=130)
    waited, _, going_on = ran.stderr.splitlines()
    assert waited.endswith(": gave up waiting for it to send 1 of 1 alert.")
    assert going_on.startswith("Interrupted. All completed epochs are saved;")


KILLED = """
from jtdiag.terminal.training import PlainLines
PlainLines.epoch = lambda self, report: report.epoch < 2 or (print("there", flush=True), input())
from jtdiag.commands import main
main()
"""


@pytest.mark.slow
def test_killed_while_a_webhook_hangs_the_alert_is_in_the_record(server):
    server.answers = [None]
    command = [sys.executable, "-c", KILLED, "train", "alarming.toml", "--out", "mine"]
    with subprocess.Popen(
        [*command, "--webhook", server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as training:
        assert "there\n" in training.stdout
        training.send_signal(signal.SIGKILL)
        training.wait(timeout=20)
    assert training.returncode == -signal.SIGKILL
    assert [alert.rule for alert in recorded()] == ["divergence"]


# --- refused --------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_refused_before_training(monkeypatch):
    assert "no-such-program" in refused("--on-alert", "no-such-program {rule}")
    assert "{loss}" in refused("--on-alert", "true {loss}")
    assert "https://" in refused("--webhook", "host/path")
    for name in ("mlflow", "wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install mlflow" in refused("--mlflow")
    assert "pip install wandb" in refused("--wandb")
    assert "pip install tensorboard" in refused("--tensorboard", "board")
