"""TensorBoard is asked itself. MLflow and W&B are stood in for by what their manuals say of them:

they are heavy, and what they need does not go together with what constraints.txt pins.
"""

import sys
from enum import Enum
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jtdiag.alerts.sinks.mlflow import MLflow
from jtdiag.alerts.sinks.tensorboard import TensorBoard
from jtdiag.alerts.sinks.wandb import WandB
from jtdiag.errors import AlertError

MISSING = [
    (lambda: TensorBoard("there"), "torch.utils.tensorboard", "tensorboard"),
    (MLflow, "mlflow", "mlflow"),
    (WandB, "wandb", "wandb"),
]


@pytest.mark.parametrize(("make", "module", "package"), MISSING, ids=lambda value: str(value)[:9])
def test_a_missing_package_is_refused_in_one_line(monkeypatch, make, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AlertError) as caught:
        make()
    said = str(caught.value)
    assert said.startswith(f"--{package} needs the package {package}, which cannot be imported")
    assert said.endswith(f"; install it with: pip install {package}")
    assert "\n" not in said


# --- TensorBoard ----------------------------------------------------------------------------------


def test_tensorboard_has_the_sentence_and_the_number_at_the_epoch(tmp_path, finding):
    board = TensorBoard(tmp_path / "board")
    board.send("runs/mine", finding(number=0.25))
    board.send("runs/mine", finding(lam=0.9, epoch=5, trials=(1,)))
    board.send("runs/mine", finding(rule="stagnation", lam=None))
    board.close()
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    tags = ["alerts/dominance/lam1", "alerts/dominance/lam0.9", "alerts/stagnation"]
    assert sorted(events.Tags()["scalars"]) == sorted(tags)
    [scalar] = events.Scalars(tags[0])
    assert (scalar.step, scalar.value) == (3, 0.25)
    assert [event.step for event in events.Scalars(tags[1])] == [5]
    [text] = events.Tensors(f"{tags[1]}/text_summary")
    assert text.step == 5
    expected = f"{finding().sentence}\n\nruns/mine, trial 1"
    assert text.tensor_proto.string_val[0].decode() == expected


def test_tensorboard_makes_no_folder_without_an_alert(tmp_path):
    TensorBoard(tmp_path / "board").close()
    assert list(tmp_path.iterdir()) == []


# --- MLflow ---------------------------------------------------------------------------------------


@pytest.fixture
def mlflow(monkeypatch):
    """MLflow with no active run, and what its client is told."""
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    stand_in = SimpleNamespace(active=None, tags={}, metrics=[])

    class MlflowClient:
        def set_tag(self, run_id, key, value):
            stand_in.tags[run_id, key] = value

        def log_metric(self, run_id, key, value, timestamp=None, step=None):
            stand_in.metrics.append((run_id, key, value, step))

    module = SimpleNamespace(active_run=lambda: stand_in.active, MlflowClient=MlflowClient)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return stand_in


def test_mlflow_tags_the_active_run_and_logs_the_number(mlflow, finding):
    mlflow.active = SimpleNamespace(info=SimpleNamespace(run_id="abc"))
    place = MLflow()
    mlflow.active = None  # in another thread no run is active
    place.send("runs/mine", finding(number=0.25, sentence="At 1."))
    place.send("runs/mine", finding(lam=0.9, epoch=5, sentence="At 0.9."))
    place.send("runs/mine", finding(sentence="At 1, again."))
    place.close()
    assert mlflow.tags == {("abc", "jtdiag.dominance"): "At 1, again.\nAt 0.9."}
    assert mlflow.metrics == [
        ("abc", "jtdiag.dominance.lam1", 0.25, 3),
        ("abc", "jtdiag.dominance.lam0.9", 0.125, 5),
        ("abc", "jtdiag.dominance.lam1", 0.125, 3),
    ]


def test_mlflow_finds_its_run_in_the_environment(mlflow, finding, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "from-outside")
    MLflow().send("runs/mine", finding(lam=None))
    assert list(mlflow.tags) == [("from-outside", "jtdiag.dominance")]
    assert mlflow.metrics == [("from-outside", "jtdiag.dominance", 0.125, 3)]


def test_mlflow_without_a_run_is_refused_in_one_line(mlflow):
    with pytest.raises(AlertError, match=r"^--mlflow needs an MLflow run; set MLFLOW_RUN_ID"):
        MLflow()


# --- W&B ------------------------------------------------------------------------------------------


@pytest.fixture
def wandb(monkeypatch):
    """W&B with no active run; a run keeps the alerts that it is told."""

    class Run:
        def __init__(self, name):
            self.name, self.alerts, self.finished = name, [], False

        def alert(self, title, text, level=None, wait_duration=None):
            self.alerts.append((title, text, level, wait_duration))

        def finish(self):
            self.finished = True

    def init(resume=None):
        assert resume == "allow"
        if module.refuses:
            raise module.Error("no key")
        module.run = Run("begun")
        return module.run

    levels = Enum("AlertLevel", ["INFO", "WARN", "ERROR"])
    module = SimpleNamespace(
        run=None,
        init=init,
        refuses=False,
        AlertLevel=levels,
        Error=type("Error", (Exception,), {}),
        Run=Run,
    )
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_wandb_is_alerted_on_the_active_run_which_stays_open(wandb, finding):
    active = wandb.run = wandb.Run("active")
    place = WandB()
    place.send("runs/mine", finding())
    place.close()
    [(title, text, level, wait)] = active.alerts
    assert title == "jtdiag: dominance"
    assert text == f"ALERT in runs/mine, trial 0: {finding().sentence}"
    assert level is wandb.AlertLevel.WARN
    assert 0 < wait < 1  # W&B takes 0 for its own minute
    assert not active.finished


def test_wandb_begins_a_run_where_there_is_none_and_finishes_it(wandb, finding):
    place = WandB()
    place.send("runs/mine", finding())
    assert len(wandb.run.alerts) == 1
    place.close()
    assert wandb.run.finished


def test_wandb_that_begins_no_run_is_refused_in_one_line(wandb):
    wandb.refuses = True
    with pytest.raises(AlertError, match=r"^--wandb: W&B cannot start a run: no key$"):
        WandB()
