import numpy as np
import pytest

from jtdiag import finding, result
from jtdiag.probe_contract import Options
from jtdiag.probing import probe as ask
from jtdiag_probes.dominance import probe
from jtdiag_probes.dominance_verdict import SKILL_LIMIT

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


# --- the early warning ----------------------------------------------------------------------------


def test_the_warning_comes_at_lambda_1_and_not_at_0_9(warned):
    [alert] = alerts(warned.seal_all())
    assert alert.lam == 1
    assert alert.rule == "early-dominance"
    assert alert.epoch == 3
    assert alert.trials == (0,)
    assert alert.members == (1,)
    assert alert.limit == SKILL_LIMIT
    assert alert.number == pytest.approx((0.9 - 0.71) / (0.9 - 0.1))


def test_the_real_demo_warns_at_lambda_1_alone(short_demo):
    [alert] = alerts(short_demo)
    assert alert.lam == 1
    assert alert.trials == (0,)
    assert alert.number < SKILL_LIMIT
    skill = probe.ask(short_demo, Options())["median_skill"].sel(epoch=3, split="train")
    assert (skill.sel(lam=[0, 0.9]) > SKILL_LIMIT + 0.1).all()


def test_the_metrics_alone_give_the_same_warning(short_demo):
    assert alerts(short_demo, metrics_only=True) == alerts(short_demo)


def test_where_one_member_leads_the_sentence_says_so_with_its_numbers(warned):
    [alert] = alerts(warned.seal_all())
    assert alert.sentence == (
        "λ = 1: after epoch 3, in 1 of 1 trials, one member carries the ensemble (its training "
        "error is 12 %, the median member's 71 %, the ensemble's 10 %); the median member has "
        "24 % of the ensemble's skill, less than 55 %. Expect little of members alone and an "
        "ensemble that breaks when some of them fail; compare with λ = 0.9 or independent "
        "training."
    )


def test_where_members_are_good_only_together_the_sentence_says_so(by_hand, stories):
    run = run_of(by_hand, stories.errors(stories.together), (0.5,))
    [alert] = alerts(run)
    assert alert.rule == "early-codependence"
    assert alert.members == ()
    assert (
        "no member stands alone (training error 58 % for the median member, 50 % for the best, "
        "10 % for the ensemble); the median member has 40 % of the ensemble's skill"
    ) in alert.sentence
    assert alert.sentence.endswith("compare with a smaller λ.")


@pytest.mark.parametrize(("skill", "warned"), [(0.54, True), (0.56, False)])
def test_the_limit_decides(by_hand, stories, skill, warned):
    error = 0.9 - 0.8 * skill
    run = run_of(by_hand, stories.errors([[error] * 3] * 5), (1.0,))
    assert bool(alerts(run)) == warned


def test_the_training_split_decides_and_no_other(by_hand, stories):
    for weak, expected in (([0], 1), ([1, 2], 0)):
        errors = stories.errors(stories.good)
        errors[:, :, 1:, weak] = 0.8
        run = run_of(by_hand, errors, (1.0,), name=f"weak{expected}")
        assert len(alerts(run)) == expected


def test_epoch_3_decides_and_no_other(by_hand, stories):
    for weak, expected in ((3, 1), (2, 0), (4, 0)):
        errors = stories.errors(stories.good)
        errors[:, :, weak] = 0.8
        run = run_of(by_hand, errors, (1.0,), name=f"weak{weak}")
        assert len(alerts(run)) == expected


def test_before_epoch_3_there_is_no_warning(warned):
    warned.seal_up_to(2)
    assert alerts(warned.run) == []
    warned.seal_up_to(3)
    assert [alert.lam for alert in alerts(warned.run)] == [1]


def test_the_warning_names_the_trials_and_how_many_are_known(by_hand, stories):
    errors = np.concatenate(
        [stories.errors(story) for story in (stories.led, stories.good, stories.led)], axis=1
    )
    run = by_hand(errors, np.broadcast_to(np.asarray(ENSEMBLE)[:, None], (1, 3, 5, 3)), lam=(1.0,))
    first, second, third = run.run.lanes
    run.seal_up_to(3, first)
    [alert] = alerts(run.run)
    assert alert.trials == (0,)
    assert "in 1 of 1 trials" in alert.sentence
    run.seal_up_to(3, second)
    run.seal_up_to(2, third)
    [alert] = alerts(run.run)
    assert alert.trials == (0,)
    assert "in 1 of 2 trials" in alert.sentence
    run.seal_up_to(4)
    [alert] = alerts(run.run)
    assert alert.trials == (0, 2)
    assert "in 2 of 3 trials" in alert.sentence


def test_an_ensemble_without_skill_raises_no_warning(by_hand, stories):
    errors = stories.errors([[0.95, 0.9, 0.99]] * 5)
    assert alerts(run_of(by_hand, errors, (1.0,), ensemble=[0.9] * 5)) == []


def test_an_only_member_raises_no_warning(by_hand, stories):
    assert alerts(run_of(by_hand, stories.errors([[0.8]] * 5), (1.0,))) == []


# --- the rest -------------------------------------------------------------------------------------


def test_it_says_in_how_many_trials_the_early_leader_led_at_the_end(by_hand, stories):
    changed = [*stories.led[:4], [0.10, 0.12, 0.75, 0.72]]
    errors = np.concatenate([stories.errors(s) for s in (stories.led, changed)], axis=1)
    found = [f for f in judged(run_of(by_hand, errors, (1.0,))) if f.rule == "early-leader"]
    [one] = found
    assert (one.level, one.lam, one.number) == ("info", 1, 0.5)
    assert "led at the end in 1 of 2 trials (by chance: 1 in 4)." in one.sentence


def test_an_unfinished_run_says_nothing_of_its_end(warned):
    warned.seal_up_to(3)
    assert [found.rule for found in judged(warned.run)] == ["early-dominance"]


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
    again = probe.judge(result.load(toy_copy, "dominance"))
    assert again == finding.read(toy_copy.path)
    assert len(again) > 3
