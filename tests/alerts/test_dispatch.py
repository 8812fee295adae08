import signal
import subprocess
import sys
import threading

import pytest

from jtdiag.alerts import dispatch
from jtdiag.alerts.contract import NotSent
from jtdiag.alerts.dispatch import Dispatcher
from jtdiag.alerts.sinks.webhook import Webhook


class Kept:
    """A place that keeps what it is sent, or fails as a test wants."""

    def __init__(self, name="kept", fails=()):
        self.name = name
        self.sent, self.closed = [], False
        self._fails = list(fails)

    def send(self, run, finding):
        if self._fails and (failure := self._fails.pop(0)):
            raise failure
        self.sent.append((run, finding))

    def close(self):
        self.closed = True


class Hanging(Kept):
    """A place that takes an alert and does not come back before the test is over."""

    def __init__(self):
        super().__init__("hanging")
        self.took, self.over = threading.Event(), threading.Event()

    def send(self, run, finding):
        self.took.set()
        self.over.wait(30)
        super().send(run, finding)


@pytest.fixture
def hanging():
    place = Hanging()
    yield place
    place.over.set()


@pytest.fixture
def lines():
    return []


def told(sinks, lines, *findings):
    with Dispatcher(sinks, lines.append) as dispatcher:
        for one in findings:
            dispatcher.send("runs/mine", one)


def test_alerts_go_everywhere_in_their_order_and_every_place_is_closed(finding, lines):
    places = [Kept(), Kept("other")]
    alerts = [finding(epoch=epoch) for epoch in range(20)]
    told(places, lines, *alerts)
    for place in places:
        assert place.sent == [("runs/mine", alert) for alert in alerts]
        assert place.closed
    assert lines == []


def test_what_is_no_alert_goes_nowhere(finding, lines):
    place = Kept()
    told([place], lines, finding(level="info"))
    assert place.sent == []


def test_without_places_nothing_happens(finding, lines):
    told([], lines, finding())
    assert lines == []


# --- failures -------------------------------------------------------------------------------------


def test_a_failure_is_one_line_and_the_other_places_hear_all_the_same(finding, lines):
    failing, other = Kept("failing", [NotSent("it answers 500\nor so")]), Kept("other")
    told([failing, other], lines, finding(), finding(epoch=4))
    assert lines == [
        "An alert was not sent to failing: it answers 500 or so. The run is not affected; "
        "further failures of this kind are not reported."
    ]
    assert len(failing.sent) == 1
    assert len(other.sent) == 2


def test_failures_of_a_kind_are_told_once_and_counted_at_the_end(finding, lines):
    down, bug = NotSent("nobody there (at 3:14)", "nobody there"), ValueError("a tracker's bug")
    failing = Kept("failing", [down, down, bug, None, down])
    told([failing], lines, *(finding(epoch=e) for e in range(6)))
    assert len(lines) == 3
    assert "nobody there (at 3:14)" in lines[0]
    assert "ValueError: a tracker's bug" in lines[1]
    assert lines[2] == "failing: 4 of 6 alerts were not sent."


def test_a_line_holds_nothing_that_a_terminal_would_obey(finding, lines):
    told([Kept("failing", [NotSent("\x1b[2J gone\x07")])], lines, finding())
    assert "failing: [2J gone. The run" in lines[0]


def test_what_a_place_says_at_length_is_cut(finding, lines):
    told([Kept("failing", [ValueError("a page of words " * 100)])], lines, finding())
    assert len(lines[0]) < 450
    assert " …. The run is not affected" in lines[0]


def test_a_place_that_cannot_be_closed_is_a_line(finding, lines):
    place = Kept("stuck")
    place.close = lambda: 1 / 0
    told([place], lines, finding())
    assert lines == ["stuck could not be closed: ZeroDivisionError: division by zero."]


def test_an_error_stream_that_is_closed_is_no_reason_to_stop(monkeypatch, tmp_path):
    stream = (tmp_path / "closed").open("w")
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    dispatch.print_error("lost")


# --- never waiting --------------------------------------------------------------------------------


def test_a_place_that_hangs_holds_up_nobody_and_is_told(finding, lines, hanging, monkeypatch):
    monkeypatch.setattr(dispatch, "PATIENCE", 0.1)
    other = Kept("other")
    told([hanging, other], lines, *(finding(epoch=e) for e in range(3)))
    assert len(other.sent) == 3
    assert lines == ["hanging: gave up waiting for it to send 3 of 3 alerts."]


def test_what_was_given_up_is_not_sent_behind_our_back(finding, lines, hanging):
    others = set(threading.enumerate())  # those of an earlier test may still be ending
    dispatcher = Dispatcher([hanging], lines.append)
    for epoch in range(3):
        dispatcher.send("runs/mine", finding(epoch=epoch))
    hanging.took.wait(10)
    dispatcher.close(0.0)
    hanging.over.set()
    started = set(threading.enumerate()) - others
    [thread] = [t for t in started if t.name == "jtdiag-alerts-hanging"]
    thread.join(10)
    assert [one.epoch for _, one in hanging.sent] == [0]
    assert hanging.closed


def test_too_many_waiting_alerts_are_left_out_and_told(finding, lines, hanging, monkeypatch):
    monkeypatch.setattr(dispatch, "DEPTH", 2)
    dispatcher = Dispatcher([hanging], lines.append)
    dispatcher.send("runs/mine", finding())
    hanging.took.wait(10)
    for _ in range(5):
        dispatcher.send("runs/mine", finding())
    hanging.over.set()
    dispatcher.close(10)
    assert len(hanging.sent) == 3
    assert len(lines) == 2
    assert "An alert was not sent to hanging: 2 alerts are already waiting." in lines[0]
    assert lines[1] == "hanging: 3 of 6 alerts were not sent."


def test_an_interrupted_run_has_less_patience(finding, lines, hanging, monkeypatch):
    monkeypatch.setattr(dispatch, "PATIENCE", 100.0)
    monkeypatch.setattr(dispatch, "INTERRUPTED", 0.0)
    dispatcher = Dispatcher([hanging], lines.append)
    dispatcher.send("runs/mine", finding())
    with pytest.raises(KeyboardInterrupt), dispatcher:
        raise KeyboardInterrupt
    assert lines == ["hanging: gave up waiting for it to send 1 of 1 alert."]


def test_a_webhook_that_is_down_is_one_line(finding, lines, nobody, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    told([Webhook(nobody, first_pause=0.001)], lines, finding())
    [line] = lines
    assert "SECRET" not in line
    assert "Connection refused (5 attempts). The run is not affected" in line


TRAINS = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from jtdiag.alerts.dispatch import Dispatcher
from jtdiag.alerts.sinks.webhook import Webhook
from jtdiag.probing.findings import Finding
alert = Finding(probe="alerts", rule="dominance", level="alert", sentence="So.", number=1.0)
with Dispatcher([Webhook(sys.argv[1])]) as dispatcher:
    dispatcher.send("runs/mine", alert)
    print("training", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_killed_while_a_webhook_hangs_ends(server, by):
    server.answers = 9 * [None]
    with subprocess.Popen(
        [sys.executable, "-c", TRAINS, server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as training:
        assert training.stdout.readline() == "training\n"
        training.send_signal(by)
        _, lines = training.communicate(timeout=30)  # the server would hang as long
    assert training.returncode == -by
    if by == signal.SIGINT:
        assert "gave up waiting for it to send 1 of 1 alert." in lines
