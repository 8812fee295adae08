from dataclasses import replace

import numpy as np
import pytest

from jtdiag import rules
from jtdiag.rules import VerdictLog
from jtdiag.rules.contract import History, Verdict


@pytest.fixture
def history():
    """Five epochs; one member dominates in the last two, and no member has training error in 1."""
    errors = np.full((5, 4), 0.2)
    errors[1] = 0.001
    errors[3:] = [0.9, 0.12, 0.88, 0.9]
    return History(
        epoch=np.arange(5),
        member_error=errors,
        member_loss=errors,
        ensemble_error=np.full(5, 0.1),
        ensemble_loss=np.full(5, 0.1),
        chance_error=0.9,
    )


def fired(verdicts):
    return [(verdict.rule, verdict.epoch) for verdict in verdicts]


EXPECTED = [("over-capacity", 1), ("dominance", 3)]


def test_a_rule_fires_at_the_first_epoch_and_never_again(history):
    log = VerdictLog()
    by_epoch = [fired(log.judge("a", history.until(epoch))) for epoch in range(5)]
    assert by_epoch == [[], [EXPECTED[0]], [], [EXPECTED[1]], []]
    assert fired(log.verdicts("a")) == EXPECTED
    assert len(log) == 2


def test_lanes_do_not_share_verdicts(history):
    log = VerdictLog()
    log.replay("a", history)
    assert log.verdicts("b") == []
    assert fired(log.judge("b", history)) == [("dominance", 4)]
    assert [(lane, verdict.rule) for lane, verdict in log] == [
        ("a", "over-capacity"),
        ("a", "dominance"),
        ("b", "dominance"),
    ]


def test_replaying_gives_the_same_as_judging_epoch_by_epoch(history):
    assert fired(VerdictLog().replay(0, history)) == EXPECTED
    assert fired(rules.first(history)) == EXPECTED


def test_a_replay_starts_after_the_epochs_that_were_evaluated(history):
    log = VerdictLog()
    assert fired(log.replay(0, history, after=1)) == EXPECTED[1:]
    assert log.replay(0, history) == log.verdicts(0)[1:]  # over-capacity, evaluated late


def test_only_the_rules_named_are_evaluated(history):
    log = VerdictLog(["over-capacity", "dominance"])
    assert log.names == ("over-capacity", "dominance")
    assert log.judge(0, history, ["over-capacity"]) == []
    assert fired(log.judge(0, history, ["dominance", "stagnation"])) == [("dominance", 4)]
    assert log.pending(0) == ["over-capacity"]
    assert log.judge(0, history, ["dominance"]) == []


def test_a_verdict_from_elsewhere_is_recorded_once(history):
    [first, *_] = rules.first(history)
    log = VerdictLog()
    assert log.record(0, first)
    assert not log.record(0, replace(first, epoch=4))
    assert log.verdicts(0) == [first]
    assert isinstance(first, Verdict)
    assert first.rule not in log.pending(0)
    assert fired(log.replay(0, history)) == EXPECTED[1:]


def test_a_new_log_is_empty():
    assert not VerdictLog()
    assert VerdictLog().pending(0) == list(rules.RULES.names())
