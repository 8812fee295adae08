import numpy as np
import pytest

from jtdiag.rules import RULES, first
from jtdiag.store.run import Run
from jtdiag.watch.events import Errors
from jtdiag.watch.one_lane import POINTS, LaneWatch, thin


@pytest.fixture
def reads(monkeypatch):
    """Count how often histories and seals are read."""
    counts = {"history": 0, "seal": 0}

    def counted(name):
        real = getattr(Run, name)

        def read(self, lane):
            counts[name] += 1
            return real(self, lane)

        monkeypatch.setattr(Run, name, read)

    for name in counts:
        counted(name)
    return counts


def test_a_seal_that_has_not_changed_is_not_read(warned, reads):
    [lane, _] = [LaneWatch(warned.run, lane) for lane in warned.run.lanes]
    assert not lane.newly_sealed(warned.run)
    warned.seal_up_to(1)
    before = reads["seal"]
    assert lane.newly_sealed(warned.run)
    assert reads["seal"] == before + 1
    lane.read(warned.run)
    before = reads["seal"]
    assert not lane.newly_sealed(warned.run)
    assert reads["seal"] == before


@pytest.mark.slow
def test_a_lane_that_is_done_is_not_looked_at_again(warned, monkeypatch):
    run = warned.seal_all()
    lane = LaneWatch(run, run.lanes[0])
    assert lane.newly_sealed(run)
    lane.read(run)
    monkeypatch.setattr(LaneWatch, "_stat", lambda self: pytest.fail("its file is asked for"))
    assert not lane.newly_sealed(run)


def test_what_could_not_be_read_is_read_at_the_next_look(warned):
    warned.seal_up_to(2)
    lane = LaneWatch(warned.run, warned.run.lanes[0])
    assert lane.newly_sealed(warned.run)
    assert lane.newly_sealed(warned.run)  # nobody has read it yet


@pytest.mark.slow
def test_an_epoch_that_is_sealed_between_seal_and_metrics_waits_for_the_next_look(warned):
    warned.seal_up_to(2)
    lane = LaneWatch(warned.run, warned.run.lanes[1])
    assert lane.newly_sealed(warned.run)
    warned.seal_up_to(3)
    lane.read(warned.run)
    assert (len(lane.ensemble), lane.verdicts) == (3, [])
    assert lane.newly_sealed(warned.run)
    lane.read(warned.run)
    assert [verdict.rule for verdict in lane.verdicts] == ["dominance"]


@pytest.mark.slow
def test_the_last_errors_are_those_of_the_metrics(warned):
    run = warned.seal_all()
    lane = LaneWatch(run, run.lanes[1])
    lane.newly_sealed(run)
    lane.read(run)
    error = run.metrics()["member_error"].sel(lam=1, split="train").isel(trial=0, epoch=-1)
    assert lane.errors == Errors(
        ensemble=0.1, median=float(error.median()), best=0.12, leader=int(error.argmin("member"))
    )
    assert lane.errors.leader == 1
    assert lane.ensemble == (0.9, 0.1, 0.1, 0.1, 0.1)
    assert lane.median == pytest.approx((0.915, 0.71, 0.71, 0.71, 0.71))


def test_of_equal_errors_the_lower_loss_leads(by_hand, stories):
    errors = stories.errors([[0.5, 0.5, 0.5, 0.5]])
    run = by_hand(errors, [[[[0.5] * 3]]], lam=(1.0,), epochs=2, member_loss=errors - [0, 0, 1, 0])
    run.seal_up_to(0)
    lane = LaneWatch(run.run, run.run.lanes[0])
    lane.newly_sealed(run.run)
    lane.read(run.run)
    assert lane.errors.leader == 2


@pytest.mark.slow
def test_looked_at_epoch_by_epoch_the_rules_say_the_same_as_all_at_once(warned):
    slow = LaneWatch(warned.run, warned.run.lanes[1])
    for epoch in range(5):
        warned.seal_up_to(epoch)
        assert slow.newly_sealed(warned.run)
        slow.read(warned.run)
    assert slow.verdicts == first(warned.run.history(slow.lane))
    assert slow.alerts[0].epoch == 3


@pytest.mark.slow
def test_a_rule_that_has_spoken_is_not_asked_again(warned, monkeypatch):
    asked = []

    def judge(history, wanted):
        asked.append((history.last, tuple(wanted)))
        return []

    lane = LaneWatch(warned.run, warned.run.lanes[1])
    warned.seal_up_to(3)
    lane.newly_sealed(warned.run)
    lane.read(warned.run)
    monkeypatch.setattr("jtdiag.rules.verdict_log.judge", judge)
    warned.seal_up_to(4)
    lane.newly_sealed(warned.run)
    lane.read(warned.run)
    assert asked == [(4, tuple(name for name in RULES.names() if name != "dominance"))]


def test_a_long_course_is_thinned_to_the_means_of_neighbours():
    values = np.arange(200.0)
    thinned = thin(values, 10)
    assert thinned == tuple(values.reshape(10, 20).mean(1))
    assert len(thin(values)) == POINTS


def test_a_short_course_is_left_as_it_is():
    assert thin([0.5, 0.25]) == (0.5, 0.25)
    assert thin([]) == ()


def test_only_finite_neighbours_count():
    assert thin([1.0, np.nan, 3.0, 5.0], 2) == (1.0, 4.0)
    np.testing.assert_equal(thin([np.nan, np.inf, 1.0, 1.0], 2), (np.nan, 1.0))
