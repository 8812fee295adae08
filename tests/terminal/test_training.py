import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from jtdiag import find_recipe
from jtdiag.engine.progress import EpochReport, Plan
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Size
from jtdiag.terminal import training
from jtdiag.terminal.training import (
    LiveDisplay,
    PlainLines,
    describe,
    display,
    epoch_line,
    store_size,
)

SETTINGS = {
    "device": "cpu",
    "threads": "2",
    "lanes": "1",
    "execution": "loop",
    "products": "bfloat16",
    "layout": "channels_last",
    "micro_members": "4",
    "chosen": "a step takes loop bfloat16 2 ms, loop 3 ms",
}


def plan(path=Path("runs/demo"), **more):
    size = ("trials=3", "lam=[0, 0.9, 1]", "engine.lanes=1")
    recipe = find_recipe("demo", (*size, *more.pop("overrides", ())))
    values = {
        "recipe": recipe,
        "path": path,
        "size": Size(metrics=10**6, outputs=2 * 10**9, checkpoints=3 * 10**6, resuming=500_000),
        "parameters": 1_234_567,
        "settings": SETTINGS,
        "lanes_done": 0,
        "epochs_to_train": 108,
    }
    return Plan(**values | more)


def report(epoch, error=0.125):
    lane = Lane(trial=2, lam_index=1)
    return EpochReport(lane=lane, epoch=epoch, train_loss=1.23456, ensemble_error=error)


# --- descriptions --------------------------------------------------------------------------------


def test_the_plan_is_described_before_it_runs():
    assert describe(plan()) == (
        "demo: 9 lanes (3 values of λ × 3 trials), 12 epochs each; "
        "4 members, 1,234,567 parameters in total.\n"
        "Device: cpu, 2 threads; 1 lane at a time.\n"
        "Execution: loop, bfloat16, channels last, 4 members at a time; "
        "a step takes loop bfloat16 2 ms, loop 3 ms.\n"
        "Disk space for runs/demo: 2.0 GB (outputs 2.0 GB, checkpoints 3.0 MB, other 1.5 MB)."
    )


def test_schemes_and_rates_by_a_rule_are_described():
    bagged = plan(overrides=["scheme=bagging", "lam=0", "train.lr=paper"])
    assert describe(bagged).splitlines()[1:3] == [
        "Scheme: bagging, bootstrap by weights.",
        "Learning rate of the joint loss: 0.08 at λ = 0 (rule 'paper').",
    ]
    single = plan(overrides=["scheme=single", "lam=0", "members.count=1"])
    assert describe(single).splitlines()[1] == "Scheme: single."


def test_learning_rates_that_differ_between_lambdas_are_described():
    differing = plan(overrides=["train.lr=[0.2, 0.2, 0.1]"])
    assert describe(differing).splitlines()[1] == (
        "Learning rate of the joint loss: 0.2 at λ = 0, 0.9; 0.1 at λ = 1."
    )


def test_an_epoch_is_one_line_with_its_lambda_and_error_in_percent():
    assert epoch_line(plan(), report(7)) == (
        "λ = 0.9, trial 2, epoch 7: loss 1.2346, val error 12.50 %"
    )


def test_without_validation_the_error_is_of_the_test_split():
    without = plan(overrides=("data.val=0", "keep.splits=test"))
    assert epoch_line(without, report(7)).endswith("test error 12.50 %")


def test_the_size_of_a_store_is_that_of_its_files(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "chunk").write_bytes(b"12345")
    (tmp_path / "zarr.json").write_bytes(b"123")
    assert store_size(tmp_path) == 8


# --- plain lines ----------------------------------------------------------------------------------


def plain(*reports, of=108):
    console = Console(file=io.StringIO(), width=40)
    lines = PlainLines(console)
    lines.begin(plan(epochs_to_train=of))
    for each in reports:
        lines.epoch(each)
    return console.file.getvalue().splitlines()[4:]


def test_lines_are_not_wrapped_and_count_the_epochs():
    lines = plain(report(0), report(1), report(2), of=3)
    assert len(lines) == 3
    line = "λ = 0.9, trial 2, epoch {}: loss 1.2346, val error 12.50 %; "
    assert lines[0] == f"[0/3] {line.format(0)}starting"
    assert re.fullmatch(re.escape(f"[1/3] {line.format(1)}") + r"\d+ s left", lines[1])
    assert re.fullmatch(re.escape(f"[2/3] {line.format(2)}") + r"\d+ s left", lines[2])


def test_the_time_left_is_that_of_the_epochs_so_far(monkeypatch):
    now = iter([100.0, 110.0, 120.0, 200.0])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(now))
    lines = plain(report(0), report(1), report(2), of=4)
    # 20 s for one epoch: 60 for the other three; 100 s for two: 100 for the other two.
    assert [line.rpartition("; ")[2] for line in lines] == ["starting", "60 s left", "100 s left"]


# --- live -----------------------------------------------------------------------------------------


@pytest.fixture
def live():
    """A live display, its progress, and the text below the bar."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    progress, newest = Progress(console=console, auto_refresh=False), Text()
    return LiveDisplay(progress, newest), progress, newest


def test_the_bar_runs_over_all_epochs_of_all_lanes(live, tmp_path):
    shown, progress, _ = live
    shown.begin(plan(tmp_path, epochs_to_train=108))
    [task] = progress.tasks
    assert (task.description, task.completed, task.total) == ("demo", 0, 108)
    shown.epoch(report(0))
    assert task.completed == 0
    shown.epoch(report(1))
    shown.epoch(report(2))
    assert task.completed == 2


def test_below_stand_the_newest_losses_the_lanes_and_the_size_of_the_store(live, tmp_path):
    (tmp_path / "chunk").write_bytes(bytes(2_500_000))
    shown, _, newest = live
    shown.begin(plan(tmp_path))
    shown.epoch(report(3))
    first, second = newest.plain.splitlines()
    assert first == epoch_line(plan(), report(3))
    assert second == "0 of 9 lanes done · 2.5 MB on disk"


def test_a_lane_is_done_with_its_last_epoch_and_those_done_before_count(live, tmp_path):
    shown, _, newest = live
    shown.begin(plan(tmp_path, lanes_done=4))
    lanes = []
    for epoch in (11, 12, 0, 12):
        shown.epoch(report(epoch))
        lanes.append(newest.plain.splitlines()[1].split(" ·")[0])
    assert lanes == [f"{n} of 9 lanes done" for n in (4, 5, 5, 6)]


def test_the_store_is_measured_only_now_and_then(live, tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(training, "store_size", lambda path: looks.append(path) or 0)
    every = training.SIZE_EVERY
    now = iter([1000.0, 1000.0 + 0.5 * every, 1000.0 + 0.9 * every, 1000.1 + every])
    monkeypatch.setattr(training.time, "monotonic", lambda: next(now))
    shown, *_ = live
    shown.begin(plan(tmp_path))
    for epoch in range(4):
        shown.epoch(report(epoch))
    assert len(looks) == 2


def on(monkeypatch, *, terminal):
    file = io.StringIO()
    monkeypatch.setattr(
        training,
        "Console",
        lambda: Console(file=file, force_terminal=terminal, width=80),
    )
    return file


def test_a_terminal_of_80_columns_gets_a_live_display(monkeypatch, tmp_path):
    file = on(monkeypatch, terminal=True)
    with display() as listener:
        assert isinstance(listener, LiveDisplay)
        listener.begin(plan(tmp_path))
        listener.epoch(report(1))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).splitlines()
    assert any(line.startswith("demo: 9 lanes (3 values of λ × 3 trials)") for line in lines)
    [bar] = [line for line in lines if " 1/108 epochs · " in line]
    assert bar.rstrip().endswith(" left")
    assert epoch_line(plan(), report(1)) in [line.rstrip() for line in lines]


def test_what_is_no_terminal_gets_plain_lines(monkeypatch):
    on(monkeypatch, terminal=False)
    with display() as listener:
        assert isinstance(listener, PlainLines)


def test_an_alert_stands_in_one_piece_above_the_live_display(monkeypatch, tmp_path):
    file = on(monkeypatch, terminal=True)
    verdict = Verdict(
        rule="dominance",
        level="alert",
        epoch=3,
        number=0.1,
        limit=0.5,
        observation="so",
        advice="Act.",
    )
    with display() as listener:
        listener.begin(plan(tmp_path))
        listener.verdict(Lane(trial=0, lam_index=2), verdict)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert "ALERT λ = 1, trial 0: after epoch 3, so. Act.\n" in shown


@pytest.mark.parametrize("terminal", [False, True])
def test_a_short_display_prints_few_lines_and_no_alerts(monkeypatch, tmp_path, terminal):
    text = shown_by(monkeypatch, tmp_path, terminal=terminal, short=True)
    assert "demo: 9 lanes" in text
    assert "ALERT" not in text
    if not terminal:
        assert numbers(text) == [4, 8, 12, 16, 20, 24]


def test_a_log_has_a_line_on_every_lane_and_on_every_epoch_if_verbose(monkeypatch, tmp_path):
    brief = shown_by(monkeypatch, tmp_path, style="brief")
    assert numbers(brief) == [12]
    assert "ALERT" in brief
    verbose = shown_by(monkeypatch, tmp_path, style="verbose")
    assert numbers(verbose) == [0, *range(1, 25)]
    assert "ALERT" in verbose


def test_a_log_has_a_line_after_a_long_silence(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "LONGEST_SILENCE", 0.0)
    assert numbers(shown_by(monkeypatch, tmp_path, style="brief")) == [0, *range(1, 25)]


@pytest.mark.parametrize("style", ["quiet", "json"])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_quiet_display_shows_nothing(monkeypatch, tmp_path, style, terminal):
    assert shown_by(monkeypatch, tmp_path, style=style, terminal=terminal) == ""


def shown_by(monkeypatch, folder, *, terminal=False, **options):
    """Return what a display shows of 24 epochs of a lane, and of an alert."""
    file = on(monkeypatch, terminal=terminal)
    verdict = Verdict(
        rule="dominance",
        level="alert",
        epoch=3,
        number=0.2,
        limit=0.48,
        members=(),
        observation="so",
        advice="Act.",
    )
    with display(**options) as listener:
        listener.begin(plan(folder, epochs_to_train=24))
        for epoch in range(25):
            listener.epoch(report(epoch))
        listener.verdict(Lane(trial=0, lam_index=2), verdict)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())


def numbers(text):
    """Return the numbers of epochs trained with which lines begin."""
    return [int(number) for number in re.findall(r"^\[(\d+)/", text, re.MULTILINE)]
