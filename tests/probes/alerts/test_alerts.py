import numpy as np
import pytest

from jtdiag.probing import findings
from jtdiag.probing.contract import Options
from jtdiag.probing.running import probe as run_probe
from jtdiag.rules.limits import MEDIAN_SKILL
from jtdiag.testing import ProbePromises
from jtdiag.watch import follow
from jtdiag_probes.alerts import wording
from jtdiag_probes.alerts.alerts import probe
from jtdiag_probes.dominance.dominance import probe as dominance

ENSEMBLE = (0.9, 0.1, 0.1, 0.1, 0.1)


@pytest.mark.slow
class TestPromises(ProbePromises):
    probe = probe


def judged(run, **options):
    return probe.judge(probe.ask(run, Options(**options)))


def alerts(run, **options):
    return [finding for finding in judged(run, **options) if finding.level == "alert"]


def run_of(by_hand, errors, lam, ensemble=ENSEMBLE, **more):
    """A run sealed to its end; errors (lam, trial, epoch, split, member)."""
    shape = errors.shape[:4]
    by_epoch = np.asarray(ensemble)[: shape[2], None]
    return by_hand(errors, np.broadcast_to(by_epoch, shape), lam=lam, **more).seal_all()


# --- the early warning ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_warning_comes_at_lambda_1_and_not_at_0_9(warned):
    [alert] = alerts(warned.seal_all())
    assert alert.lam == 1
    assert alert.rule == "dominance"
    assert alert.epoch == 3
    assert alert.trials == (0,)
    assert alert.members == (1,)
    assert alert.limit == MEDIAN_SKILL
    assert alert.number == pytest.approx((0.9 - 0.72) / (0.9 - 0.1))


@pytest.mark.slow
def test_the_real_demo_warns_at_lambda_1_alone(short_demo):
    short_alerts = alerts(short_demo)
    assert [(a.rule, a.lam) for a in short_alerts] == [
        ("codependence", 1),
        ("diversity-explosion", 1),
    ]
    alert = short_alerts[0]
    assert alert.trials == (0,)
    assert alert.number < MEDIAN_SKILL
    skill = probe.ask(short_demo, Options())["number"].sel(epoch=3, rule="dominance")
    assert (skill.sel(lam=[0, 0.9]) > MEDIAN_SKILL + 0.2).all()


@pytest.mark.slow
def test_the_metrics_alone_give_the_same_warning(short_demo):
    assert alerts(short_demo, metrics_only=True) == alerts(short_demo)


@pytest.mark.slow
def test_the_sentence_on_a_dominant_member_has_its_numbers(warned):
    [alert] = alerts(warned.seal_all())
    assert alert.sentence == (
        "λ = 1: after epoch 3, one member dominates the ensemble (training error: that member "
        "12 %, the median of the others 72 %, ensemble 10 %; the median of the others has 23 % of "
        "the ensemble's skill, below the limit of 48 %). Compare with λ = 0.9 or independent "
        "training. Measure single members with the probe dominance and missing members with the "
        "probe robustness."
    )


@pytest.mark.slow
def test_the_sentence_on_codependent_members_has_its_numbers(by_hand, stories):
    run = run_of(by_hand, stories.errors(stories.together), (0.5,))
    [alert] = alerts(run)
    assert alert.rule == "codependence"
    assert alert.members == ()
    assert (
        "no member performs well on its own (training error: median member 58 %, best member "
        "50 %, ensemble 10 %; the median member has 40 % of the ensemble's skill"
    ) in alert.sentence
    assert " look at later epochs too. Compare with a smaller λ. Measure " in alert.sentence


@pytest.mark.slow
@pytest.mark.parametrize(("skill", "warned"), [(0.47, True), (0.49, False)])
def test_the_limit_decides(by_hand, stories, skill, warned):
    error = 0.9 - 0.8 * skill
    run = run_of(by_hand, stories.errors([[error] * 3] * 5), (1.0,))
    assert bool(alerts(run)) == warned


@pytest.mark.slow
def test_the_training_split_decides_and_no_other(by_hand, stories):
    for weak, expected in (([0], 1), ([1, 2], 0)):
        errors = stories.errors(stories.good)
        errors[:, :, 1:, weak] = 0.8
        run = run_of(by_hand, errors, (1.0,), name=f"weak{expected}")
        assert len(alerts(run)) == expected


@pytest.mark.slow
def test_from_epoch_3_on_the_first_epoch_below_the_limit_is_reported(by_hand, stories):
    for weak, expected in ((3, [3]), (2, []), (4, [4])):
        errors = stories.errors(stories.good)
        errors[:, :, weak] = 0.8
        run = run_of(by_hand, errors, (1.0,), name=f"weak{weak}")
        assert [alert.epoch for alert in alerts(run)] == expected
        since = probe.ask(run, Options())["first_spoke"].sel(rule="codependence").item()
        assert since == (expected[0] if expected else -1)


@pytest.mark.slow
def test_before_epoch_3_there_is_no_warning(warned):
    warned.seal_up_to(2)
    assert alerts(warned.run) == []
    warned.seal_up_to(3)
    assert [alert.lam for alert in alerts(warned.run)] == [1]


@pytest.mark.slow
def test_the_warning_names_the_trials_and_how_many_are_known(by_hand, stories):
    errors = np.concatenate(
        [stories.errors(story) for story in (stories.led, stories.good, stories.led)], axis=1
    )
    run = by_hand(errors, np.broadcast_to(np.asarray(ENSEMBLE)[:, None], (1, 3, 5, 3)), lam=(1.0,))
    first, second, third = run.run.lanes
    run.seal_up_to(3, first)
    [alert] = alerts(run.run)
    assert alert.trials == (0,)
    assert " of 1 trials" not in alert.sentence
    run.seal_up_to(3, second)
    run.seal_up_to(2, third)
    [alert] = alerts(run.run)
    assert alert.trials == (0,)
    assert "in 1 of 2 trials" in alert.sentence
    run.seal_up_to(4)
    [alert] = alerts(run.run)
    assert alert.trials == (0, 2)
    assert "in 2 of 3 trials" in alert.sentence


@pytest.mark.slow
def test_an_ensemble_without_skill_raises_no_warning(by_hand, stories):
    errors = stories.errors([[0.95, 0.9, 0.99]] * 5)
    assert alerts(run_of(by_hand, errors, (1.0,), ensemble=[0.9] * 5)) == []


@pytest.mark.slow
def test_a_single_member_raises_no_warning(by_hand, stories):
    assert alerts(run_of(by_hand, stories.errors([[0.8]] * 5), (1.0,))) == []


def test_the_numbers_are_those_of_the_dominance_probe(short_demo):
    result = probe.ask(short_demo, Options())
    of_members = dominance.ask(short_demo, Options(metrics_only=True)).sel(split="train", drop=True)
    too_little = of_members["ensemble_error"] > 0.75 * of_members.attrs["chance_error"]
    assert too_little.any()
    for rule, name in (("dominance", "others_skill"), ("codependence", "median_skill")):
        expected = of_members[name].where(~too_little)
        np.testing.assert_allclose(result["number"].sel(rule=rule), expected, rtol=1e-12)
    assert result["limit"].sel(rule="codependence").item() == MEDIAN_SKILL


@pytest.mark.slow
def test_the_displacement_is_the_distance_of_the_checkpoints(short_demo):
    kept = probe.ask(short_demo, Options())["displacement"].values
    for lane in short_demo.lanes:
        index = (lane.lam_index, lane.trial)
        last = short_demo.seal(lane).epoch
        for epoch in (0, 1, last):
            now, start = (short_demo.checkpoint(lane, e) for e in (epoch, 0))
            squares = [
                ((now[n].astype(float) - start[n]).reshape(len(now[n]), -1) ** 2).sum(1)
                for n in now
            ]
            assert kept[index][epoch] == pytest.approx(np.sqrt(np.sum(squares, 0)), rel=1e-5)


@pytest.mark.slow
def test_a_stagnating_member_is_named_if_displacements_are_kept(by_hand, stories):
    errors = stories.errors(stories.led)
    moved = np.broadcast_to([1.0, 1.1, 0.1, 0.9], (1, 1, 5, 4))
    run = run_of(by_hand, errors, (1.0,), displacement=moved)
    [alert] = [f for f in judged(run) if f.rule == "stagnation"]
    assert (alert.lam, alert.members) == (1, (2,))


# --- whether one member dominates at the end ------------------------------------------------------


def carried(run):
    [finding] = [finding for finding in judged(run) if finding.rule == "carried"]
    return finding


@pytest.mark.slow
def test_a_dominant_member_at_the_end_is_the_headline(warned):
    finding = carried(warned.seal_all())
    assert (finding.level, finding.lam, finding.number) == ("info", None, 1)
    assert finding.sentence == (
        "At λ = 1, one member dominates the ensemble (at the last epoch, in 1 of 1 trial; first "
        "detected after epoch 3). At λ = 0.9, no member dominates the ensemble."
    )
    assert finding.headline == "one member dominates the ensemble at λ = 1"


@pytest.mark.slow
def test_members_that_are_weak_on_their_own_at_the_end_are_the_headline(by_hand, stories):
    errors = np.concatenate(
        [stories.errors(story) for story in (stories.together, stories.good)], axis=1
    )
    finding = carried(run_of(by_hand, errors, (0.5,)))
    assert finding.headline == "no member performs well on its own at λ = 0.5 (in 1 of 2 trials)"
    assert "(at the last epoch, in 1 of 2 trials; first detected after epoch 3)" in finding.sentence


@pytest.mark.slow
def test_without_either_no_member_dominates(by_hand, stories):
    finding = carried(run_of(by_hand, stories.errors(stories.good), (0.5,)))
    assert finding.number == 0
    assert finding.headline == "no member dominates the ensemble"


@pytest.mark.slow
def test_a_rule_that_no_longer_fires_at_the_end_does_not_count(by_hand, stories):
    recovered = [*stories.led[:4], stories.good[4]]
    run = run_of(by_hand, stories.errors(recovered), (1.0,))
    assert [alert.rule for alert in alerts(run)] == ["dominance"]
    assert carried(run).headline == "no member dominates the ensemble"


@pytest.mark.slow
def test_the_last_sealed_epoch_counts_in_an_unfinished_run(warned):
    warned.seal_up_to(3)
    assert carried(warned.run).number == 1


@pytest.mark.slow
def test_trials_that_diverged_are_not_judged(by_hand, stories):
    error = stories.errors(stories.good, stories.led)
    ensemble = np.broadcast_to(np.asarray(stories.ensemble)[:, None], (2, 1, 5, 3))
    loss = 1 + error
    loss[1, 0, 4, 0, 2] = np.nan
    finding = carried(by_hand(error, ensemble, member_loss=loss, lam=(0.9, 1.0)).seal_all())
    assert finding.sentence == (
        "At λ = 0.9, no member dominates the ensemble. At λ = 1, training diverged, so it cannot "
        "be judged whether one member dominates."
    )


@pytest.mark.slow
def test_before_epoch_3_and_without_skill_nothing_is_claimed(warned, by_hand, stories):
    warned.seal_up_to(2)
    chance = run_of(
        by_hand, stories.errors([[0.95, 0.9, 0.99]] * 5), (1.0,), ensemble=[0.9] * 5, name="chance"
    )
    finding = carried(warned.run)
    assert finding.sentence == wording.UNDECIDED
    assert (finding.number, finding.headline) == (0, "")
    finding = carried(chance)
    assert (finding.number, finding.headline) == (0, "nothing has been learned yet")


@pytest.mark.slow
def test_a_single_member_is_not_judged(by_hand, stories):
    run = run_of(by_hand, stories.errors([[0.1]] * 5), (1.0,))
    assert [f for f in judged(run) if f.rule == "carried"] == []


@pytest.mark.slow
def test_the_order_of_lambdas_does_not_matter(warned):
    run = warned.seal_all()
    result = probe.ask(run, Options())
    shuffled = result.isel(lam=[1, 0])
    assert probe.judge(shuffled)[-1] == probe.judge(result)[-1]


@pytest.mark.slow
def test_watching_a_run_that_is_over_keeps_the_finding(warned):
    run = warned.seal_all()
    run_probe(run, "alerts")
    before = findings.read(run.path)
    assert "carried" in [finding.rule for finding in before]
    list(follow(run))
    after = [finding for finding in findings.read(run.path) if finding.probe == "alerts"]
    assert after == before


@pytest.mark.slow
def test_findings_that_only_rules_recorded_are_completed_from_a_fresh_result(warned):
    run = warned.seal_all()
    run_probe(run, "alerts")
    complete = findings.read(run.path)
    findings.record(run.path, "alerts", [f for f in complete if f.rule != "carried"])
    run_probe(run, "alerts")
    assert findings.read(run.path) == complete


# --- evidence from outputs, two members, nothing learned ------------------------------------------


def run_of_logits(by_hand, logits, errors, ensemble, lam=(0.9,), **more):
    """Five epochs of one trial for each λ, with the same logits (lam, M, n, K) after each."""
    shape = (len(lam), 1, 5, 3)
    return by_hand(
        np.broadcast_to(np.asarray(errors)[:, None, None, None], (*shape, errors.shape[-1])),
        np.broadcast_to(np.asarray(ensemble)[:, None, None, None], shape),
        lam=lam,
        classes=2,
        logits={"test": np.repeat(logits[:, None, None], 5, axis=2)},
        target={"test": np.arange(logits.shape[-2]) % 2},
        **more,
    ).seal_all()


def right(scale, examples=8):
    """Logits (n, 2) that are right about targets 0, 1, 0, …"""
    return scale * np.eye(2)[np.arange(examples) % 2]


@pytest.mark.slow
def test_of_two_members_a_perfect_leader_dominates_a_guesser(by_hand):
    logits = np.stack([right(8.0), right(0.0)])[None]
    errors, ensemble = np.array([[0.0, 0.5]]), [0.0]
    run = run_of_logits(by_hand, logits, errors, ensemble, lam=(1.0,))
    finding = carried(run)
    assert finding.headline == "one member dominates the ensemble at λ = 1"
    assert "; effective number of members: 1 of 2)" in finding.sentence


@pytest.mark.slow
def test_members_of_unequal_logits_are_not_called_equal(by_hand):
    """All are right on their own, but one has nearly all logits: 1.05 effective members of 4."""
    logits = np.stack([right(scale) for scale in (16.0, 0.13, 0.13, 0.13)])[None]
    run = run_of_logits(by_hand, logits, np.full((1, 4), 0.01), [0.0])
    assert "dominance" not in [finding.rule for finding in judged(run)]
    finding = carried(run)
    assert finding.headline == "one member has most of the ensemble's logits at λ = 0.9"
    assert finding.sentence == (
        "At λ = 0.9, one member has most of the ensemble's logits (effective number of members: "
        "1.05 of 4), although other members perform well on their own."
    )
    assert carried_metrics_only(run).headline == "no member dominates the ensemble"


def carried_metrics_only(run):
    findings = judged(run, metrics_only=True)
    [finding] = [finding for finding in findings if finding.rule == "carried"]
    return finding


@pytest.mark.slow
def test_two_dominant_members_of_four_are_counted(by_hand, stories):
    errors = stories.errors([[0.9] * 4] + 4 * [[0.12, 0.88, 0.1, 0.9]])
    run = run_of(by_hand, errors, (1.0,))
    assert carried(run).headline == "up to 2 of 4 members dominate the ensemble at λ = 1"
    [alert] = alerts(run)
    assert alert.members == (0, 2)
    assert "2 of 4 members dominate the ensemble (" in alert.sentence


@pytest.mark.slow
def test_where_nothing_has_been_learned_it_is_said(by_hand, stories):
    untrained = stories.errors([[0.93, 0.90, 0.84, 0.93]] * 5)
    run = run_of(by_hand, untrained, (0.9,), ensemble=[0.86] * 5)
    assert alerts(run) == []
    finding = carried(run)
    assert finding.headline == "nothing has been learned yet"
    assert finding.sentence == (
        "At λ = 0.9, nothing has been learned yet: the ensemble's training error is 96 % of chance "
        "level."
    )


def test_the_effective_members_are_those_of_the_dominance_probe(short_demo):
    ours = probe.ask(short_demo, Options())["effective_members"]
    theirs = dominance.ask(short_demo, Options())["effective_members"]
    last = theirs.sel(split="test").isel(epoch=-1)
    np.testing.assert_allclose(ours.values, last.values, rtol=1e-12)
    assert np.isfinite(ours).all()
