import numpy as np
import pytest

from jtdiag.probing import findings as log, results
from jtdiag.probing.contract import Options
from jtdiag.probing.running import probe as ask
from jtdiag_probes.dominance.dominance import probe

ENSEMBLE = (0.9, 0.1, 0.1, 0.1, 0.1)


def judged(run, **options):
    return probe.judge(probe.ask(run, Options(**options)))


def alerts(run, **options):
    return [findings_ for findings_ in judged(run, **options) if findings_.level == "alert"]


def run_of(by_hand, errors, lam, ensemble=ENSEMBLE, **more):
    """A run sealed to its end; errors (lam, trial, epoch, split, member)."""
    shape = errors.shape[:4]
    by_epoch = np.asarray(ensemble)[: shape[2], None]
    return by_hand(errors, np.broadcast_to(by_epoch, shape), lam=lam, **more).seal_all()


@pytest.mark.slow
def test_the_trials_in_which_the_early_leader_is_the_final_leader_are_counted(by_hand, stories):
    changed = [*stories.led[:4], [0.10, 0.12, 0.75, 0.72]]
    errors = np.concatenate([stories.errors(s) for s in (stories.led, changed)], axis=1)
    findings = [f for f in judged(run_of(by_hand, errors, (1.0,))) if f.rule == "early-leader"]
    [finding] = findings
    assert (finding.level, finding.lam, finding.number) == ("info", 1, 0.5)
    assert "at the end in 1 of 2 trials (chance level: 1 in 4;" in finding.sentence


@pytest.mark.slow
def test_an_unfinished_run_has_no_finding_about_its_end(warned):
    warned.seal_up_to(3)
    assert judged(warned.run) == []


@pytest.mark.slow
def test_effective_members_are_reported_for_each_lambda_at_the_end(toy):
    result = probe.ask(toy, Options())
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "effective-members"}
    assert list(findings) == [0, 0.9, 1]
    for lam, finding in findings.items():
        expected = result["effective_members"].sel(lam=lam, split="test", epoch=4).mean()
        assert finding.number == pytest.approx(float(expected), rel=1e-14)
        assert f"the effective number of members is {finding.number:.3g} (95 %" in finding.sentence
        assert "on test after epoch 4, " in finding.sentence


@pytest.mark.slow
def test_a_diverged_lane_has_no_shares_of_an_earlier_epoch(toy):
    result = probe.ask(toy, Options())
    for trial, expected in ((0, "in the 1 of 2 trials with finite logits"), (slice(None), None)):
        diverged = result.copy(deep=True)
        for name in ("effective_members", "leave_one_out", "logit_share"):
            diverged[name].loc[{"lam": 1, "epoch": 4, "trial": result["trial"][trial]}] = np.nan
        findings = [f for f in probe.judge(diverged) if f.rule == "effective-members"]
        at_lambda_1 = [f.sentence for f in findings if f.lam == 1]
        assert len(findings) == 3 - (expected is None)
        assert expected is None or expected in at_lambda_1[0]
        assert {f.epoch for f in findings} == {4}


@pytest.mark.slow
def test_a_stored_result_is_judged_as_it_was_when_measured(toy_copy):
    ask(toy_copy, "dominance")
    again = probe.judge(results.load(toy_copy, "dominance"))
    assert again == log.read(toy_copy.path)
    assert len(again) > 3
