import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import attrs
import numpy as np
import pytest

from jtdiag import train, watch
from jtdiag.engine.progress import NullListener
from jtdiag.errors import StoreError
from jtdiag.loading import Registry
from jtdiag.probing import findings
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe as ask
from jtdiag.watch import Ended, RunWatch, Sealed, follow, wait_for
from jtdiag.watch.one_lane import LaneWatch


@pytest.fixture
def asleep(monkeypatch):
    """Return a function that says what happens each time the watcher sleeps, step by step."""

    def happens(*steps):
        left = list(steps)

        def sleep(seconds):
            assert left, "the watcher goes on sleeping although nothing more will happen"
            left.pop(0)()

        monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))

    return happens


def by_step(run, last):
    """One step for each epoch up to the last, and one in which the engine ends."""
    return [*(lambda e=e: run.seal_up_to(e) for e in range(last + 1)), run.close]


def sealed(run, *epochs):
    return [Sealed(lane=lane, epoch=epoch) for epoch in epochs for lane in run.run.lanes]


def alerts(events):
    return [e for e in events if isinstance(e, Finding) and e.level == "alert"]


# --- events ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_epoch_is_told_as_it_is_sealed(warned, asleep):
    asleep(*by_step(warned, 4))
    events = list(follow(warned.run))
    epochs = [event for event in events if isinstance(event, Sealed)]
    assert epochs == sealed(warned, 0, 1, 2, 3, 4)
    assert events[-1] == Ended(done=True)


@pytest.mark.slow
def test_epochs_sealed_between_two_looks_are_told_as_one(warned, asleep):
    asleep(lambda: warned.seal_up_to(1), lambda: warned.seal_up_to(4))
    epochs = [event for event in follow(warned.run) if isinstance(event, Sealed)]
    assert epochs == sealed(warned, 1, 4)


@pytest.mark.slow
def test_the_alert_is_told_before_the_next_epoch(warned, asleep):
    asleep(*by_step(warned, 4))
    events = list(follow(warned.run))
    [alert] = alerts(events)
    assert (alert.rule, alert.lam) == ("dominance", 1)
    fourth = sealed(warned, 3)[-1]
    assert events.index(fourth) < events.index(alert) < events.index(sealed(warned, 4)[0])


@pytest.mark.slow
def test_what_is_no_alert_is_told_at_the_end(warned, asleep):
    asleep(*by_step(warned, 4))
    events = list(follow(warned.run))
    infos = [e for e in events if isinstance(e, Finding) and e.level == "info"]
    assert events[-1 - len(infos) : -1] == infos
    assert {e.probe for e in infos} == {"alerts", "diversity", "dominance", "performance"}


@pytest.mark.slow
def test_a_finding_is_told_once(warned, asleep):
    asleep(*by_step(warned, 4))
    sentences = [e.sentence for e in follow(warned.run) if isinstance(e, Finding)]
    assert len(sentences) == len(set(sentences))


@pytest.mark.slow
def test_an_alert_is_told_again_when_another_trial_joins_it(by_hand, stories, asleep):
    errors = np.concatenate([stories.errors(stories.led)] * 2, axis=1)
    ensemble = np.broadcast_to(np.asarray(stories.ensemble)[:, None], (1, 2, 5, 3))
    run = by_hand(errors, ensemble, lam=(1.0,))
    first, second = run.run.lanes
    asleep(
        lambda: run.seal_up_to(3, first),
        lambda: run.seal_up_to(4, first),
        lambda: run.seal_up_to(2, second),
        lambda: run.seal_up_to(3, second),
        run.close,
    )
    assert [alert.trials for alert in alerts(follow(run.run))] == [(0,), (0, 1)]


@pytest.mark.slow
def test_the_rules_say_in_the_watch_what_the_probe_says_of_the_whole_run(toy_copy):
    watched = RunWatch(toy_copy.path)
    list(watched.poll())
    judged = PROBES.find("alerts").judge(ask(toy_copy, "alerts"))
    assert watched.findings == [finding for finding in judged if finding.rule != "carried"]
    assert watched.findings


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_finished_run_is_told_without_waiting(warned, asleep):
    warned.seal_all()
    asleep()
    events = list(follow(warned.run))
    assert events[:2] == sealed(warned, 4)
    assert len(alerts(events)) == 1
    assert events[-1] == Ended(done=True)


@pytest.mark.slow
def test_a_run_whose_engine_died_ends_and_says_that_it_is_not_done(warned, asleep):
    asleep(lambda: warned.seal_up_to(3), warned.close)
    events = list(follow(warned.run))
    assert len(alerts(events)) == 1
    assert events[-1] == Ended(done=False)


def test_an_engine_that_died_before_its_first_epoch_leaves_nothing_to_tell(warned):
    warned.close()
    assert list(follow(warned.run)) == [Ended(done=False)]


@pytest.mark.slow
def test_what_an_engine_sealed_last_is_told_although_it_has_gone(warned, asleep, monkeypatch):
    """The engine seals and goes between two questions of the watcher, at the worst moment."""
    look = LaneWatch.newly_sealed
    left = [lambda: (warned.seal_up_to(3), warned.close())]

    def lose_and_look(lane, run):
        if left and run.training:
            left.pop()()
        return look(lane, run)

    monkeypatch.setattr(LaneWatch, "newly_sealed", lose_and_look)
    asleep(lambda: None)
    events = list(follow(warned.run))
    assert len(alerts(events)) == 1
    assert events[-1] == Ended(done=False)


# --- probes and what they leave -------------------------------------------------------------------


@pytest.mark.slow
def test_slow_probes_are_not_asked(warned, asleep, monkeypatch):
    def refuse(run, options):
        raise AssertionError("a slow probe was asked")

    slow = replace(PROBES.find("diversity"), measure=refuse, cost="slow")
    probes = [slow, PROBES.find("performance")]
    monkeypatch.setattr(Registry, "all", lambda self: probes)
    asleep(*by_step(warned, 4))
    reported = [e for e in follow(warned.run) if isinstance(e, Finding)]
    assert {e.probe for e in reported} == {"alerts", "performance"}


@pytest.mark.slow
def test_a_cheap_probe_of_somebody_else_is_asked(warned, foreign):
    foreign.write_text(foreign.read_text().replace('cost="slow"', 'cost="cheap"'))
    warned.seal_all()
    sentences = [e.sentence for e in follow(warned.run) if isinstance(e, Finding)]
    assert "The run has 2 lanes." in sentences


@pytest.mark.slow
def test_findings_are_recorded_while_the_run_trains(warned, asleep):
    seen = []
    asleep(
        lambda: warned.seal_up_to(3),
        lambda: (seen.extend(findings.read(warned.run.path)), warned.seal_up_to(4)),
    )
    reported = [e for e in follow(warned.run) if isinstance(e, Finding)]
    assert [f.rule for f in seen if f.level == "alert"] == ["dominance"]
    assert sorted(map(str, findings.read(warned.run.path))) == sorted(map(str, reported))


@pytest.mark.slow
def test_the_findings_of_a_fuller_result_stand(toy_copy):
    ask(toy_copy, "dominance")
    before = findings.read(toy_copy.path)
    assert "effective-members" in {f.rule for f in before}
    list(follow(toy_copy))
    after = findings.read(toy_copy.path)
    assert [f for f in after if f.probe == "dominance"] == before
    assert {f.probe for f in after} == {"alerts", "diversity", "dominance", "performance"}


@pytest.mark.slow
def test_the_findings_of_a_result_that_the_run_outgrew_are_replaced(warned):
    warned.seal_up_to(2)
    ask(warned.run, "alerts")
    assert {f.rule for f in findings.read(warned.run.path)} == {"unfinished", "carried"}
    warned.seal_all()
    list(follow(warned.run))
    rules = {f.rule for f in findings.read(warned.run.path)}
    assert "dominance" in rules
    assert "unfinished" not in rules


# --- waiting for a run ----------------------------------------------------------------------------


def test_a_run_that_does_not_exist_yet_is_waited_for(asleep, tmp_path, warned):
    later = tmp_path / "later"
    asleep(lambda: None, lambda: None, lambda: warned.run.path.rename(later))
    assert wait_for(later).path == later


def test_patience_has_an_end(tmp_path):
    with pytest.raises(StoreError, match="nowhere is not a run"):
        wait_for(tmp_path / "nowhere", patience=0.0)


def test_a_folder_that_holds_something_else_is_not_waited_for(tmp_path, asleep):
    asleep()
    with pytest.raises(StoreError, match="is not a run: it has no recipe.toml"):
        wait_for(tmp_path)


# --- beside a training that is real ---------------------------------------------------------------


@pytest.mark.slow
def test_a_run_that_trains_is_warned_of_while_it_trains(short_demo_recipe, tmp_path):
    warned_event = threading.Event()
    recipe = attrs.evolve(short_demo_recipe, lam=(1.0,))

    class WaitsForTheWarning(NullListener):
        def epoch(self, report):
            if report.epoch == 3:  # it has been handed to the writer
                warned_event.wait(60)

    path = tmp_path / "demo"
    training = threading.Thread(
        target=train, args=(recipe, path), kwargs={"listener": WaitsForTheWarning()}
    )
    training.start()
    try:
        run = wait_for(path)
        events = follow(run, interval=0.02)
        before = []
        for event in events:
            before.append(event)
            if alerts([event]):
                break
        [alert] = alerts(before)
        assert alert.lam == 1
        assert not run.done
        assert run.training
        warned_event.set()
        assert list(events)[-1] == Ended(done=True)
    finally:
        warned_event.set()
        training.join()


def test_a_run_without_its_recipe_is_not_a_folder_of_runs(toy_copy):
    (toy_copy.path / "recipe.toml").unlink()
    with pytest.raises(StoreError, match=r"is not a run: it has no recipe\.toml"):
        watch.start(toy_copy.path)
