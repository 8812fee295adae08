"""A sink from another installed package, in one file, works on the command line and in Python."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from jtdiag.alerts import sinks
from jtdiag.alerts.contract import Sink
from jtdiag.alerts.dispatch import Dispatcher
from jtdiag.alerts.sinks import SINKS
from jtdiag.commands import main
from jtdiag.errors import AlertError
from jtdiag.probing import findings
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.testing import TOY, toy_data

BUILT_IN = ("command", "webhook", "tensorboard", "mlflow", "wandb")

SINK = '''"""Alerts appended to a JSON-lines file: a sink of another package."""
import json

from jtdiag.alerts.contract import SinkType
from jtdiag.errors import AlertError


class JsonLines:
    def __init__(self, path):
        if not path.endswith(".jsonl"):
            raise AlertError(f"--sink jsonl={path}: the file must end in .jsonl.")
        self.name = f"the file {path}"
        self._stream = open(path, "a", encoding="utf-8")

    def send(self, run, finding):
        self._stream.write(json.dumps([str(run), finding.rule, finding.sentence]) + "\\n")

    def close(self):
        self._stream.close()


class Counter:
    name = "the counter"
    sent = 0

    def send(self, run, finding):
        Counter.sent += 1

    def close(self):
        pass


SINK = SinkType(name="jsonl", make=JsonLines, argument="FILE")
COUNTER = SinkType(name="counter", make=lambda argument: Counter())
'''


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Install a distribution with two more sinks, `jsonl` and `counter`."""
    site = tmp_path / "site"
    info = site / "third_party_sinks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-sinks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[jtdiag.sinks]\njsonl = sinks_of_a_test:SINK\ncounter = sinks_of_a_test:COUNTER\n"
    )
    (site / "sinks_of_a_test.py").write_text(SINK, "utf-8")
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("sinks_of_a_test", None)


@pytest.fixture
def alarming(tmp_path):
    """A recipe of one lane that diverges in its second epoch."""
    toy_data(tmp_path / "toy.npz")
    training = {**TOY["train"], "epochs": 2, "lr": 100.0}
    recipe = from_table({**TOY, "lam": [1.0], "trials": 1, "train": training})
    Path("alarming.toml").write_text(toml.to_toml(recipe), encoding="utf-8")


def train(*options):
    return CliRunner().invoke(main, ["train", "alarming.toml", "--out", "run", *options])


def test_built_in_sinks_are_entry_points_too_and_come_first():
    assert SINKS.names() == (*BUILT_IN, "counter", "jsonl")
    types = {sink.name: (sink.option, sink.argument) for sink in SINKS.all()}
    assert types == {
        "command": ("--on-alert", "CMD"),
        "webhook": ("--webhook", "URL"),
        "tensorboard": ("--tensorboard", "DIR"),
        "mlflow": ("--mlflow", ""),
        "wandb": ("--wandb", ""),
        "jsonl": ("", "FILE"),
        "counter": ("", ""),
    }


@pytest.mark.slow
def test_a_sink_is_chosen_on_the_command_line_and_sent_every_alert(alarming):
    ran = train("--sink", "jsonl=alerts.jsonl", "--sink", "counter")
    assert ran.exit_code == 0, ran.output
    assert ran.stderr == ""
    [kept, *_] = findings.read(Path("run"))
    [line] = Path("alerts.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == ["run", "divergence", kept.sentence]
    assert sys.modules["sinks_of_a_test"].Counter.sent == 1


@pytest.mark.slow
def test_a_built_in_sink_may_be_chosen_by_its_name(alarming):
    ran = train("--sink", "command=touch {rule}")
    assert ran.exit_code == 0, ran.output
    assert Path("divergence").exists()


def test_a_sink_is_made_in_python(finding):
    sink: Sink = sinks.make("jsonl", "alerts.jsonl")
    with Dispatcher([sink]) as dispatcher:
        dispatcher.send("runs/a", finding(sentence="So."))
    text = Path("alerts.jsonl").read_text("utf-8")
    assert json.loads(text) == ["runs/a", "dominance", "So."]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("jsonl", "--sink jsonl needs an argument: --sink jsonl=FILE."),
        ("jsonl=a.txt", "--sink jsonl=a.txt: the file must end in .jsonl."),
        ("counter=3", "--sink counter takes no argument; it was given '3'."),
        ("mlflow=3", "--mlflow takes no argument; it was given '3'."),
        ("webhook", "--webhook needs an argument: --webhook URL."),
        ("json=a", "There is no sink 'json'. Did you mean 'jsonl'? Installed sinks: command, "),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused_before_training(alarming, option, message):
    ran = train("--sink", option)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {message}")
    assert ran.stderr.count("\n") == 1
    assert not Path("run").exists()


def test_an_optional_argument_may_be_left_out(monkeypatch):
    module = SINKS.find("jsonl")
    object.__setattr__(module, "argument", "[FILE]")
    with pytest.raises(AlertError, match="must end in"):
        sinks.make("jsonl")
