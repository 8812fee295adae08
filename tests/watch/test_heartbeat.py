from types import SimpleNamespace

import pytest

from jtdiag.watch import heartbeat
from jtdiag.watch.heartbeat import DEFAULT_LIMIT, MIN_LIMIT, Heartbeat


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets forward."""
    now = SimpleNamespace(time=1000.0)
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: now.time))
    return now


def test_quiet_is_counted_from_the_last_beat(clock):
    heart = Heartbeat(idle=5.0)
    assert heart.idle == 5
    clock.time += 2
    assert heart.idle == 7
    heart.beat()
    assert heart.idle == 0


def test_a_run_with_short_epochs_is_not_silent_within_a_minute(clock):
    heart = Heartbeat(pause=0.5)
    clock.time += MIN_LIMIT - 1
    assert not heart.stalled
    clock.time += 2
    assert heart.stalled


def test_a_run_with_long_epochs_is_silent_after_five_of_them(clock):
    heart = Heartbeat(pause=100.0)
    clock.time += 499
    assert not heart.stalled
    clock.time += 2
    assert heart.stalled


def test_the_longest_of_the_recent_pauses_counts(clock):
    """Lanes that train side by side seal together: many short pauses, and a long one."""
    heart = Heartbeat()
    for pause in (0.1, 0.1, 90.0, 0.1, 0.1):
        clock.time += pause
        heart.beat()
    assert heart.limit == pytest.approx(450)
    for _ in range(16):
        clock.time += 20
        heart.beat()
    assert heart.limit == pytest.approx(100)


def test_a_run_of_which_nothing_is_known_may_be_quiet_for_ten_minutes(clock):
    assert Heartbeat().limit == DEFAULT_LIMIT == 600


def test_while_a_run_was_dead_no_pause_is_counted(clock):
    heart = Heartbeat(pause=1.0)
    clock.time += 5000
    heart.restart()
    assert heart.idle == 0
    clock.time += 1
    heart.beat()
    assert heart.limit == MIN_LIMIT


def test_a_file_that_is_dated_tomorrow_is_as_good_as_new(clock):
    assert Heartbeat(idle=-86400.0).idle == 0
