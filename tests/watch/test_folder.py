"""Runs that appear, end, die, are removed or damaged while the folder is watched."""

import os
import shutil
from types import SimpleNamespace

import pytest

from jtdiag.probing import findings as finding
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import FOLDER as LANES
from jtdiag.watch import folder as folder_module, heartbeat
from jtdiag.watch.events import (
    Appeared,
    Ended,
    Gone,
    Resumed,
    RunEvent,
    Sealed,
    Stalled,
    Trouble,
)
from jtdiag.watch.folder import RETRY, FolderWatch, runs_below


@pytest.fixture
def watched(tmp_path):
    return FolderWatch(tmp_path)


@pytest.fixture
def run_of(by_hand, stories):
    """Return a function that begins a run of that name: one λ, one trial, five epochs."""

    def begin(name, errors=stories.good):
        return by_hand(
            stories.errors(errors), [[[[e] * 3 for e in stories.ensemble]]], lam=(1.0,), name=name
        )

    return begin


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets forward, for pauses and for the next attempt alike."""
    now = SimpleNamespace(time=1000.0)
    fake = SimpleNamespace(monotonic=lambda: now.time)
    monkeypatch.setattr(heartbeat, "time", fake)
    monkeypatch.setattr(folder_module, "time", fake)
    return now


def looked(watched):
    """What a look tells, as pairs (name of the run, event)."""
    return [(watched.name(run_event.run), run_event.event) for run_event in watched.poll()]


def kinds(watched):
    return [(name, type(what)) for name, what in looked(watched)]


def test_an_empty_folder_tells_nothing_and_is_not_over(watched):
    assert looked(watched) == []
    assert not watched.over


@pytest.mark.slow
def test_a_run_that_appears_is_told_with_what_it_has_sealed(watched, run_of):
    looked(watched)
    run_of("a").seal_up_to(1)
    (_, appeared), (_, sealed) = looked(watched)
    assert appeared == Appeared(state="training", lanes=1, epochs=4, members=4)
    assert (sealed.epoch, sealed.epochs, sealed.lam, sealed.done) == (1, 4, 1.0, False)
    assert looked(watched) == []


@pytest.mark.slow
def test_runs_grow_side_by_side_and_end_one_by_one(watched, run_of):
    first, second = run_of("a"), run_of("b")
    looked(watched)
    first.seal_up_to(0)
    second.seal_up_to(2)
    assert [(name, e.epoch) for name, e in looked(watched)] == [("a", 0), ("b", 2)]
    second.seal_all()
    events = looked(watched)
    assert events[0][1].epoch == 4
    assert ("b", Ended(done=True)) in events
    assert {name for name, _ in events} == {"b"}
    assert not watched.over
    first.close()
    assert looked(watched) == [("a", Ended(done=False))]
    assert watched.over


@pytest.mark.slow
def test_only_lanes_whose_seal_has_changed_are_read(watched, run_of, monkeypatch):
    runs = [run_of(name) for name in "abc"]
    for run in runs:
        run.seal_up_to(0)
    looked(watched)
    read = []
    real = type(runs[0].run).history

    def history(run, lane):
        read.append(run.path.name)
        return real(run, lane)

    monkeypatch.setattr(type(runs[0].run), "history", history)
    looked(watched)
    assert read == []
    runs[1].seal_up_to(1)
    looked(watched)
    assert read == ["b"]


@pytest.mark.slow
def test_an_alert_is_told_once_with_its_run_and_kept_in_its_folder(watched, run_of, stories):
    run = run_of("a", stories.led)
    run.seal_up_to(2)
    looked(watched)
    run.seal_up_to(3)
    [(_, sealed), (name, alert)] = looked(watched)
    assert isinstance(sealed, Sealed)
    assert (name, alert.rule, alert.level) == ("a", "dominance", "alert")
    assert finding.read(run.run.path) == [alert]
    run.seal_up_to(4)
    assert not [e for _, e in looked(watched) if isinstance(e, Finding)]


@pytest.mark.slow
def test_a_run_that_was_over_before_is_old_and_its_folder_is_left_alone(watched, run_of, stories):
    run = run_of("a", stories.led).seal_all()
    before = sorted(os.listdir(run.path))
    run_events = list(watched.poll())
    assert all(isinstance(run_event, RunEvent) and run_event.old for run_event in run_events)
    assert [e.event.rule for e in run_events if isinstance(e.event, Finding)] == ["dominance"]
    assert sorted(os.listdir(run.path)) == before
    assert watched.over


# --- which folders are runs -----------------------------------------------------------------------


def test_a_run_that_is_being_made_is_not_seen(watched, run_of):
    run = run_of("a")
    run.run.path.rename(run.run.path.with_name(".a.123.draft"))
    assert looked(watched) == []


def test_runs_of_a_study_are_seen_and_what_lies_in_a_run_is_not(watched, run_of, tmp_path):
    (tmp_path / "study").mkdir()
    inner = run_of("study/joint")
    shutil.copytree(inner.run.path, inner.run.path / "copy")
    assert [path.name for path, _ in runs_below(tmp_path)] == ["joint"]
    assert {name for name, _ in looked(watched)} == {os.path.join("study", "joint")}


@pytest.mark.slow
def test_runs_are_looked_for_three_levels_deep(tmp_path, run_of):
    (tmp_path / "1" / "2" / "3").mkdir(parents=True)
    run_of("1/2/seen")
    run_of("1/2/3/deep")
    assert [path.name for path, _ in runs_below(tmp_path)] == ["seen"]


def test_a_folder_without_a_store_is_no_run(tmp_path, run_of):
    run = run_of("a")
    shutil.rmtree(run.run.path / "store.zarr")
    assert list(runs_below(tmp_path)) == []


# --- deaths and returns ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_whose_engine_is_gone_is_dead_and_may_be_resumed(watched, run_of, by_hand):
    run = run_of("a")
    run.seal_up_to(1)
    looked(watched)
    run.close()
    assert looked(watched) == [("a", Ended(done=False))]
    assert watched.runs[run.run.path].state == "dead"
    resumed = type(run._writer).reopen(run.run.path, run.run.recipe)
    assert looked(watched) == [("a", Resumed())]
    assert watched.runs[run.run.path].state == "training"
    resumed.close()
    assert looked(watched) == [("a", Ended(done=False))]


@pytest.mark.slow
def test_a_run_that_grows_without_a_lock_to_be_seen_lives_until_it_is_silent(
    watched, run_of, clock
):
    """As one that another machine trains, on a file system whose locks are not seen here."""
    run = run_of("a")
    run.seal_up_to(0)
    run.unlock()  # writing goes on
    assert kinds(watched) == [("a", Appeared), ("a", Sealed), ("a", Ended)]
    clock.time += 10
    run.seal_up_to(1)
    assert kinds(watched) == [("a", Resumed), ("a", Sealed)]
    clock.time += 10
    assert looked(watched) == []
    run.seal_up_to(2)
    assert kinds(watched) == [("a", Sealed)]
    clock.time += 1000
    assert looked(watched) == [("a", Ended(done=False))]


@pytest.mark.slow
def test_an_engine_that_seals_nothing_for_long_is_silent_until_it_does(watched, run_of, clock):
    run = run_of("a")
    run.seal_up_to(0)
    looked(watched)
    for epoch in (1, 2):
        clock.time += 20
        run.seal_up_to(epoch)
        looked(watched)
    clock.time += 99
    assert looked(watched) == []
    clock.time += 2
    assert looked(watched) == [("a", Stalled(seconds=101.0))]
    assert watched.runs[run.run.path].state == "silent"
    assert not watched.over
    assert looked(watched) == []
    run.seal_up_to(3)
    assert kinds(watched) == [("a", Sealed)]
    assert watched.runs[run.run.path].state == "training"


@pytest.mark.slow
def test_how_long_epochs_take_is_estimated_from_the_dates_of_files(watched, run_of):
    run = run_of("a")
    run.seal_up_to(3)
    seal = run.run.path / LANES / "lam0-trial0.json"
    now = seal.stat().st_mtime
    os.utime(run.run.path / "recipe.toml", (now - 4000, now - 4000))
    os.utime(seal, (now - 100, now - 100))
    looked(watched)
    heart = watched.runs[run.run.path].heartbeat
    assert heart.limit == pytest.approx(5 * 3900 / 4)
    assert heart.idle == pytest.approx(100, abs=60)


# --- removed, replaced, damaged -------------------------------------------------------------------


def test_a_run_that_is_removed_is_gone(watched, run_of):
    run = run_of("a")
    looked(watched)
    shutil.rmtree(run.run.path)
    assert looked(watched) == [("a", Gone())]
    assert watched.runs == {}
    assert looked(watched) == []


@pytest.mark.slow
def test_a_run_of_the_same_name_is_another_run(watched, run_of):
    run = run_of("a")
    run.seal_up_to(3)
    looked(watched)
    run.close()
    shutil.rmtree(run.run.path)
    run_of("a").seal_up_to(0)
    assert kinds(watched) == [("a", Gone), ("a", Appeared), ("a", Sealed)]


@pytest.mark.slow
def test_a_run_that_is_damaged_is_one_line_and_the_others_go_on(watched, run_of, clock):
    bad, good = run_of("a"), run_of("b")
    bad.seal_up_to(0)
    looked(watched)
    seal = bad.run.path / LANES / "lam0-trial0.json"
    whole = seal.read_text()
    seal.write_text("{")
    good.seal_up_to(0)
    (name, trouble), (other, sealed) = looked(watched)
    assert (name, other) == ("a", "b")
    assert isinstance(trouble, Trouble)
    assert "is not the seal of a lane" in trouble.what
    assert isinstance(sealed, Sealed)
    clock.time += RETRY + 1
    assert looked(watched) == []  # it is told once
    seal.write_text(whole)
    assert looked(watched) == []  # and not tried at every look
    clock.time += RETRY + 1
    bad.seal_up_to(1)
    assert kinds(watched) == [("a", Sealed)]
    assert watched.troubled == {}


def test_a_recipe_that_is_none_is_one_line(watched, run_of):
    run = run_of("a")
    (run.run.path / "recipe.toml").write_text("lam = [")
    [(_, trouble)] = looked(watched)
    assert "is not valid TOML" in trouble.what
    assert watched.over  # nothing of it is waited for


@pytest.mark.slow
def test_metrics_that_are_missing_are_trouble_and_no_alert(watched, run_of):
    """Missing chunks read as NaN, which the rules would take for divergence."""
    run = run_of("a")
    run.seal_up_to(3)
    shutil.rmtree(run.run.path / "store.zarr" / "metrics" / "member_loss" / "c")
    events = looked(watched)
    assert [type(event) for _, event in events] == [Appeared, Trouble]
    assert "missing" in events[1][1].what


@pytest.mark.slow
def test_findings_that_cannot_be_kept_are_told_once_and_the_run_is_watched_on(
    watched, run_of, stories
):
    run = run_of("a", stories.led)
    (run.run.path / finding.LOG).write_text("[]\n{")
    run.seal_up_to(3)
    events = [event for _, event in looked(watched)]
    assert [type(event) for event in events] == [Appeared, Sealed, Trouble, Finding]
    assert "is not a list of findings" in events[2].what
    run.seal_up_to(4)
    assert [type(event) for _, event in looked(watched)][:1] == [Sealed]
    assert watched.troubled == {}
