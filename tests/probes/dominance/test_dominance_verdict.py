import numpy as np
import pytest

from jtdiag.probing import findings, results
from jtdiag.probing.contract import Options
from jtdiag.probing.running import probe as ask
from jtdiag_probes.dominance.dominance import probe

ENSEMBLE = (0.9, 0.1, 0.1, 0.1, 0.1)


def judged(run, **options):
    return probe.judge(probe.ask(run, Options(**options)))


def alerts(run, **options):
    return [found for found in judged(run, **options) if found.level == "alert"]


def run_of(by_hand, errors, lam, ensemble=ENSEMBLE, **more):
    """A run sealed to its end; errors (lam, trial, epoch, split, member)."""
    shape = errors.shape[:4]
    by_epoch = np.asarray(ensemble)[: shape[2], None]
    return by_hand(errors, np.broadcast_to(by_epoch, shape), lam=lam, **more).seal_all()


def test_it_says_in_how_many_trials_the_early_leader_led_at_the_end(by_hand, stories):
    changed = [*stories.led[:4], [0.10, 0.12, 0.75, 0.72]]
    errors = np.concatenate([stories.errors(s) for s in (stories.led, changed)], axis=1)
    found = [f for f in judged(run_of(by_hand, errors, (1.0,))) if f.rule == "early-leader"]
    [one] = found
    assert (one.level, one.lam, one.number) == ("info", 1, 0.5)
    assert "led at the end in 1 of 2 trials (by chance: 1 in 4)." in one.sentence


def test_an_unfinished_run_says_nothing_of_its_end(warned):
    warned.seal_up_to(3)
    assert judged(warned.run) == []


def test_effective_members_are_told_for_each_lambda_at_the_end(toy):
    asked = probe.ask(toy, Options())
    told = {f.lam: f for f in probe.judge(asked) if f.rule == "effective-members"}
    assert list(told) == [0, 0.9, 1]
    for lam, one in told.items():
        expected = asked["effective_members"].sel(lam=lam, split="test", epoch=4).mean()
        assert one.number == pytest.approx(float(expected), rel=1e-14)
        assert f"{one.number:.3g} of 3 members" in one.sentence


def test_a_stored_result_is_judged_as_it_was_when_measured(toy_copy):
    ask(toy_copy, "dominance")
    again = probe.judge(results.load(toy_copy, "dominance"))
    assert again == findings.read(toy_copy.path)
    assert len(again) > 3
