"""What is on the screen: key words, and that nothing overflows; not whole pictures."""

import io
import shutil
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from jtdiag.probing.findings import Finding
from jtdiag.store import lanes
from jtdiag.terminal import watch_screen
from jtdiag.terminal.watch_page import Page
from jtdiag.terminal.watch_screen import Screen, ascii_only, picture
from jtdiag.watch import FolderWatch, RunWatch, poll
from jtdiag.watch.events import RunEvent


def looked(watched):
    list(poll(watched))
    return watched


def drawn(watched, width=80, height=24, **page):
    lines = picture(watched, Page(width=width, height=height, **page))
    assert height is None or len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    return [line.plain for line in lines]


def rows(lines):
    """The rows of lanes, by what they begin with: λ and trial."""
    cells = (line.split() for line in lines if "%" in line or "waiting" in line)
    return {(c[0], c[1]): c for c in cells if c[1].isdecimal() and "/" in c[2]}


@pytest.fixture
def wide(by_hand, stories):
    """A run of 40 lanes (λ = 0 … 0.8 and 1, trial 0 … 3) of which the first has ended."""
    errors = np.repeat(stories.errors(*[stories.good] * 9, stories.led), 4, axis=1)
    ensemble = np.broadcast_to(np.asarray(stories.ensemble)[:, None], (10, 4, 5, 3))
    lams = (*np.arange(9) / 10, 1.0)
    return by_hand(errors, ensemble, lam=tuple(map(float, lams)))


# --- one run --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lane_has_its_errors_its_leader_and_its_state(warned):
    warned.seal_up_to(4)
    lines = drawn(looked(RunWatch(warned.run.path)))
    assert "done" in lines[0]
    assert "2/2 lanes  8/8 epochs" in lines[0]
    assert lines[0].startswith("…")
    assert "by-hand  done" in lines[0]  # of the path, its end
    assert lines[0].endswith("1 alert")
    row = " ".join(rows(lines)["1", "0"])
    assert row.startswith("1 0 4/4 ━━")
    assert row.endswith("10.0 % █▁▁▁▁ 71.0 % █▇▇▇▇ 12.0 % #1 done")
    alert = "ALERT λ = 1: after epoch 3, one member dominates"
    assert any(line.startswith(alert) for line in lines)


@pytest.mark.slow
def test_lanes_wait_train_and_die(warned):
    first, second = warned.run.lanes
    warned.seal_up_to(2, first)
    watched = looked(RunWatch(warned.run.path))
    cells = rows(drawn(watched))
    assert (cells["0.9", "0"][-1], cells["1", "0"][-1]) == ("training", "waiting")
    warned.seal_up_to(4, first)
    warned.seal_up_to(1, second)
    warned.close()
    lines = drawn(looked(watched))
    cells = rows(lines)
    assert (cells["0.9", "0"][-1], cells["1", "0"][-1]) == ("done", "exited")
    assert "  exited  " in lines[0]


@pytest.mark.slow
def test_a_lane_that_a_rule_stopped_says_so(warned):
    first, second = warned.run.lanes
    warned.seal_up_to(4, first)
    warned.seal_up_to(2, second)
    action = lanes.RuleAction(stopped="dominance")
    stopped = replace(warned.run.seal(second), done=True, action=action)
    lanes.write_seal(warned.run.path, second, stopped)
    lines = drawn(looked(RunWatch(warned.run.path)))
    assert [row[-1] for row in rows(lines).values()] == ["done", "stopped"]
    assert "6/6 epochs" in lines[0]  # what is left out is not waited for


def test_a_lane_whose_engine_is_silent_says_so(warned):
    warned.seal_up_to(1)
    watched = looked(RunWatch(warned.run.path))
    watched.heartbeat._last -= 720
    lines = drawn(looked(watched))
    assert "stalled 12m" in lines[0]
    assert [row[-1] for row in rows(lines).values()] == ["stalled", "stalled"]


def test_a_lambda_that_was_lowered_is_shown_with_what_it_became(warned):
    warned.seal_up_to(1)
    watched = looked(RunWatch(warned.run.path))
    watched.lanes[1].lam_now = 0.5
    assert ("1→0.5", "0") in rows(drawn(watched))


@pytest.mark.slow
def test_a_run_of_many_lanes_fits_any_terminal(wide):
    wide.seal_up_to(4, wide.run.lanes[0])
    wide.seal_up_to(3, wide.run.lanes[-1])
    watched = looked(RunWatch(wide.run.path))
    for width, height in product((20, 60, 80, 170), (4, 10, 24, 50)):
        assert len(drawn(watched, width, height)) >= min(height, 43)


@pytest.mark.slow
def test_of_many_lanes_those_that_matter_are_shown_and_the_rest_is_counted(wide):
    done, alerted, training = (wide.run.lanes[i] for i in (0, 9, 15))
    wide.seal_up_to(4, done)
    wide.seal_up_to(3, alerted)
    wide.seal_up_to(1, training)
    lines = drawn(looked(RunWatch(wide.run.path)))
    assert {("1", "0"), ("0.5", "1")} <= rows(lines).keys()
    assert ("0", "0") not in rows(lines)
    [more] = [line for line in lines[1:] if line.startswith("…")]
    assert "more lanes: 1 done, " in more
    assert more.endswith(" waiting")
    assert any(line.startswith("ALERT λ = 1") for line in lines)


def test_findings_have_at_least_a_third_of_the_screen_and_alerts_come_first(wide):
    wide.seal_up_to(4, wide.run.lanes[9])
    watched = looked(RunWatch(wide.run.path))
    finding = Finding(probe="p", rule="r", level="info", number=0.0, sentence="Word " * 60 + "end.")
    watched.findings = [finding, *watched.findings, finding]
    lines = drawn(watched)
    begin = next(i for i, line in enumerate(lines) if line.startswith("ALERT"))
    assert 6 <= len(lines) - begin <= 8
    assert lines[begin:][1:] != []
    assert any(line.startswith("  -   Word") for line in lines[begin:])


@pytest.mark.slow
def test_with_room_every_finding_is_told_to_its_end(warned):
    warned.seal_up_to(4)
    lines = drawn(looked(RunWatch(warned.run.path)), height=None)
    text = " ".join(line.strip() for line in lines)
    assert "missing members with the probe robustness." in text
    assert "…" not in " ".join(lines[1:])


@pytest.mark.slow
def test_without_unicode_the_picture_is_ascii(warned):
    warned.seal_up_to(4)
    cells = rows(drawn(looked(RunWatch(warned.run.path)), ascii_only=True))["1", "0"]
    assert all(cell.isascii() for cell in cells)
    assert "#____" in cells


# --- a folder -------------------------------------------------------------------------------------


@pytest.fixture
def many(by_hand, stories, tmp_path):
    """Fourteen runs: the last has an alert, one died, one cannot be read, the others are done."""
    ensemble = [[[[e] * 3 for e in stories.ensemble]]]
    good = by_hand(stories.errors(stories.good), ensemble, lam=(0.5,), name="r00")
    good.seal_all()
    for i in range(1, 11):
        shutil.copytree(good.run.path, tmp_path / f"r{i:02}")
    dead = by_hand(stories.errors(stories.good), ensemble, lam=(0.5,), name="r11")
    dead.seal_up_to(1)
    dead.close()
    shutil.copytree(good.run.path, tmp_path / "r12")
    (tmp_path / "r12" / "recipe.toml").write_text("nothing")
    led = by_hand(stories.errors(stories.led), ensemble, lam=(1.0,), name="r13")
    led.seal_up_to(3)
    return looked(FolderWatch(tmp_path))


def test_a_folder_says_how_many_runs_are_in_which_state(many):
    lines = drawn(many, width=170)
    assert lines[0].endswith("14 runs: 1 training, 1 exited, 1 unreadable, 11 done  1 with alerts")


def test_what_needs_a_person_comes_first_and_the_rest_is_counted(many):
    lines = drawn(many, height=12)
    names = [line.split()[0] for line in lines[3:]]
    assert names[:3] == ["r13", "ALERT", "r12"]
    assert str(many.folder / "r12").startswith(names[3].rstrip("…")[:20])
    assert names[4:7] == ["r11", "r00", "r01"]
    assert lines[-1] == "… 8 more runs"


def test_a_row_of_a_folder_has_state_lanes_and_errors(many):
    [row] = [line.split() for line in drawn(many) if line.startswith("r13")]
    assert " ".join(row) == "r13 training 1 0/1 75 % 1 10.0 % █▁▁▁ 71.0 % █▇▇▇"


def test_a_folder_of_many_runs_fits_any_terminal(many):
    for width, height in product((20, 60, 80, 170), (4, 10, 24, 60)):
        lines = drawn(many, width, height)
        if height > 20:
            assert sum(line.startswith("r") for line in lines) == 15  # the heading, and all
        else:
            assert lines[-1].startswith("…")


def test_runs_that_are_not_shown_are_counted_with_their_alerts(many):
    alert = Finding(probe="p", rule="r", level="alert", number=0.0, sentence="It is so.")
    for run in many.runs.values():
        run.findings = [alert]
    lines = drawn(many, height=12)
    shown = sum(line.startswith("r") for line in lines) - 1
    assert lines[-1] == f"… {14 - shown} more runs, {14 - shown} with alerts"
    assert sum(line.startswith("    ") for line in lines) == (12 - 3) // 3


def test_an_empty_folder_says_that_it_is(tmp_path):
    assert drawn(looked(FolderWatch(tmp_path)))[-1].startswith("No runs in")


# --- the terminal ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_screen_is_as_large_as_the_terminal_and_stays_behind(warned):
    stream = io.StringIO()
    console = Console(
        file=stream,
        force_terminal=True,
        width=80,
        height=24,
        color_system=None,
        legacy_windows=False,
    )
    warned.seal_up_to(3)
    watched = RunWatch(warned.run.path)
    with Screen(console, watched) as screen:
        for event in watched.poll():
            screen.take(RunEvent(run=watched.path, event=event))
        screen.draw()
        shown = stream.getvalue().rpartition("\x1b[H")[2].split("\n")
        assert len(shown) == 24
        assert "Ctrl-C stops watching; training continues" in shown[-1]
    assert "ALERT λ = 1" in stream.getvalue().rpartition("\x1b[?1049l")[2]


def test_a_look_that_finds_much_is_shown_before_it_is_over(warned, monkeypatch):
    now = SimpleNamespace(time=10.0)
    clock = SimpleNamespace(monotonic=lambda: now.time, strftime=lambda form: "12:00:00")
    monkeypatch.setattr(watch_screen, "time", clock)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    draws = []
    monkeypatch.setattr(watch_screen, "picture", lambda *a: draws.append(now.time) or [])
    screen = Screen(console, RunWatch(warned.run.path))
    for _ in range(10):
        screen.take(None)
        now.time += 0.2
    assert draws == pytest.approx([10.0, 10.6, 11.2, 11.8])


@pytest.mark.parametrize(
    ("encoding", "plain"), [("utf-8", False), ("ascii", True), ("latin-1", True)]
)
def test_what_the_terminal_has_no_letters_for_is_drawn_in_ascii(encoding, plain):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert ascii_only(Console(file=stream)) is plain
