"""Which lanes are used, and why others are not."""

from dataclasses import replace

import numpy as np
import pytest

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.probing import findings, lane_states, results
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import ask, judge, probe
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

ERROR = np.full((2, 2, 4, 3, 3), 0.2)
"""Errors (lam, trial, epoch, split, member)."""


@pytest.fixture
def run_of(by_hand):
    """Return a function that seals a run of two λs and two trials, with some losses replaced."""

    def build(**losses):
        """Replace losses by index: ``run_of(member={(1, 0, 3): nan})``."""
        member, ensemble = 1 + ERROR, 1 + ERROR[..., 0]
        for index, value in losses.get("member", {}).items():
            member[index] = value
        for index, value in losses.get("ensemble", {}).items():
            ensemble[index] = value
        error = losses.get("error", ERROR)
        return by_hand(
            error,
            error[..., 0],
            member_loss=member,
            ensemble_loss=ensemble,
            lam=(0.0, 1.0),
        )

    return build


def rules_of(run):
    return [finding.rule for finding in lane_states.findings(run)]


def test_nothing_is_said_where_every_lane_is_used(run_of):
    run = run_of().seal_all()
    assert lane_states.findings(run) == []
    assert all(state.used and state.learned for state in lane_states.states(run))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_one_member_that_diverges_at_the_end_costs_the_lane(run_of, value):
    run = run_of(member={(1, 0, 3, ..., 2): value}).seal_all()
    assert lane_states.diverged(run) == [Lane(0, 1)]
    [finding] = lane_states.findings(run)
    assert (finding.rule, finding.level, finding.number) == ("diverged", "alert", 1)
    assert finding.headline == "1 of 4 lanes diverged"
    assert "λ = 1 (trial 0)" in finding.sentence


def test_losses_that_are_only_beyond_use_on_test_count_as_well(run_of):
    test = 2
    run = run_of(ensemble={(0, 1, 3, test): np.inf}).seal_all()
    assert run.recipe.splits[test] == names.TEST
    assert lane_states.diverged(run) == [Lane(1, 0)]


def test_a_lane_at_chance_level_has_learned_nothing_once_it_is_done(run_of):
    story = run_of(error=np.where(np.arange(2)[:, None, None, None, None] == 1, 0.9, ERROR))
    story.seal_up_to(2)
    assert lane_states.unlearned(story.run) == set()
    assert rules_of(story.run) == ["unfinished"]
    story.seal_up_to(3)
    assert lane_states.unlearned(story.run) == {1.0}
    assert rules_of(story.run) == ["nothing-learned"]


def test_incomplete_lanes_are_named(run_of):
    story = run_of()
    story.seal_up_to(3, Lane(0, 0), Lane(0, 1), Lane(1, 0))
    [finding] = lane_states.findings(story.run)
    assert finding.sentence == ("3 of 4 lanes are complete (without any epoch: λ = 1 (trial 1)).")


def test_probes_do_not_see_lanes_that_diverged(run_of):
    run = run_of(ensemble={(1, 0, 3): np.nan}).seal_all()
    result = probe(run, "performance")[names.ENSEMBLE_ERROR].sel({names.SPLIT: names.TEST})
    np.testing.assert_array_equal(np.isnan(result), [[False, False], [True, False]])
    assert results.load(run, "performance").attrs[results.LEFT_OUT] == "lam1-trial0"
    assert [f.rule for f in findings.read(run.path) if f.probe == "lanes"] == ["diverged"]
    every = ask(run, PROBES.find("alerts"), Options(metrics_only=True))
    assert np.isfinite(every[names.ENSEMBLE_ERROR].sel({names.LAM: 1.0, names.TRIAL: 0})).all()


def test_a_result_with_lanes_that_diverged_is_not_fresh(run_of, monkeypatch):
    run = run_of(ensemble={(1, 0, 3): np.nan}).seal_all()
    with monkeypatch.context() as older:
        older.setattr(lane_states, "diverged", lambda _run: [])
        probe(run, "performance")
    assert not results.is_fresh(run, PROBES.find("performance"))


def test_a_probe_has_nothing_to_measure_where_every_lane_diverged(run_of):
    run = run_of(ensemble={(..., 3, 0): np.nan, (..., 3, 1): np.nan}).seal_all()
    assert not PROBES.find("performance").applies(run)
    assert PROBES.find("alerts").applies(run)
    with pytest.raises(ProbeError, match="all 4 lanes that have been trained diverged"):
        probe(run, "performance")


def test_nothing_is_concluded_where_nothing_was_learned(run_of):
    run = run_of(error=np.full_like(ERROR, 0.9)).seal_all()
    for name in ("performance", "dominance"):
        probe(run, name)
    judged = [f.rule for f in findings.read(run.path) if f.probe != "lanes"]
    assert judged == ["nothing-learned"]


def test_the_states_follow_a_run_that_grows(run_of):
    story = run_of(ensemble={(1, 0, 3): np.nan})
    story.seal_up_to(2)
    assert lane_states.diverged(story.run) == []
    story.seal_up_to(3)
    assert lane_states.diverged(story.run) == [Lane(0, 1)]


# --- members that are identical ------------------------------------------------------------------


@pytest.fixture
def copies(toy, tmp_path, monkeypatch):
    """The toy, in which the members of λ = 1 are copies of the first one."""
    checkpoint, history = toy.checkpoint, toy.history
    run = Run(toy.path)
    last = {lane for lane in run.lanes if run.lam(lane) == 1}

    def copied(values):
        return np.broadcast_to(values[:1], values.shape) * (
            1 + 1e-7 * np.arange(len(values))
        ).reshape(-1, *[1] * (values.ndim - 1))

    def of_lane(lane, epoch):
        weights = checkpoint(lane, epoch)
        return {k: copied(v) for k, v in weights.items()} if lane in last else weights

    def history_of(lane):
        kept = history(lane)
        return replace(kept, member_loss=copied(kept.member_loss.T).T) if lane in last else kept

    monkeypatch.setattr(run, "checkpoint", of_lane)
    monkeypatch.setattr(run, "history", history_of)
    return run


def test_members_that_are_copies_are_named(copies, toy):
    assert lane_states.identical(toy) == set()
    assert lane_states.identical(copies) == {1.0}
    [finding] = lane_states.findings(copies)
    assert (finding.rule, finding.level) == ("identical", "alert")
    assert "(λ = 1)" in finding.sentence


def test_equal_losses_alone_do_not_make_members_identical(copies, toy, monkeypatch):
    monkeypatch.setattr(copies, "checkpoint", toy.checkpoint)
    assert lane_states.identical(copies) == set()


def test_nothing_is_concluded_about_members_that_are_copies(copies, toy):
    probe = PROBES.find("diversity")
    result = ask(toy, probe, Options())
    of_toy, of_copies = (judge(run, probe, result) for run in (toy, copies))
    assert any(finding.lam == 1 for finding in of_toy)
    assert of_copies == [finding for finding in of_toy if finding.lam != 1]
