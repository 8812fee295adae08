import numpy as np
import pytest
import zarr

from jtdiag.probing.contract import Options
from jtdiag.rules.limits import MEDIAN_SKILL
from jtdiag.testing import ProbePromises
from jtdiag_probes.alerts import probe
from jtdiag_probes.dominance.dominance import probe as dominance

ENSEMBLE = (0.9, 0.1, 0.1, 0.1, 0.1)


class TestPromises(ProbePromises):
    probe = probe


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
    assert alert.rule == "dominance"
    assert alert.epoch == 3
    assert alert.trials == (0,)
    assert alert.members == (1,)
    assert alert.limit == MEDIAN_SKILL
    assert alert.number == pytest.approx((0.9 - 0.71) / (0.9 - 0.1))


def test_the_real_demo_warns_at_lambda_1_alone(short_demo):
    found = alerts(short_demo)
    assert [(a.rule, a.lam) for a in found] == [("codependence", 1), ("diversity-explosion", 1)]
    alert = found[0]
    assert alert.trials == (0,)
    assert alert.number < MEDIAN_SKILL
    skill = probe.ask(short_demo, Options())["number"].sel(epoch=3, rule="dominance")
    assert (skill.sel(lam=[0, 0.9]) > MEDIAN_SKILL + 0.2).all()


def test_the_metrics_alone_give_the_same_warning(short_demo):
    assert alerts(short_demo, metrics_only=True) == alerts(short_demo)


def test_where_one_member_leads_the_sentence_says_so_with_its_numbers(warned):
    [alert] = alerts(warned.seal_all())
    assert alert.sentence == (
        "λ = 1: after epoch 3, one member dominates the ensemble (training error: median member "
        "71 %, best member 12 %, ensemble 10 %; the median member has 24 % of the ensemble's "
        "skill, below the limit of 48 %). Compare with λ = 0.9 or independent training. Measure "
        "single members with the probe dominance and missing members with the probe robustness."
    )


def test_where_members_are_good_only_together_the_sentence_says_so(by_hand, stories):
    run = run_of(by_hand, stories.errors(stories.together), (0.5,))
    [alert] = alerts(run)
    assert alert.rule == "codependence"
    assert alert.members == ()
    assert (
        "no member performs well on its own (training error: median member 58 %, best member "
        "50 %, ensemble 10 %; the median member has 40 % of the ensemble's skill"
    ) in alert.sentence
    assert "). Compare with a smaller λ. Measure " in alert.sentence


@pytest.mark.parametrize(("skill", "warned"), [(0.47, True), (0.49, False)])
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


def test_from_epoch_3_on_the_first_epoch_that_is_too_weak_is_told(by_hand, stories):
    for weak, expected in ((3, [3]), (2, []), (4, [4])):
        errors = stories.errors(stories.good)
        errors[:, :, weak] = 0.8
        run = run_of(by_hand, errors, (1.0,), name=f"weak{weak}")
        assert [alert.epoch for alert in alerts(run)] == expected
        since = probe.ask(run, Options())["first_spoke"].sel(rule="codependence").item()
        assert since == (expected[0] if expected else -1)


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


def test_an_ensemble_without_skill_raises_no_warning(by_hand, stories):
    errors = stories.errors([[0.95, 0.9, 0.99]] * 5)
    assert alerts(run_of(by_hand, errors, (1.0,), ensemble=[0.9] * 5)) == []


def test_an_only_member_raises_no_warning(by_hand, stories):
    assert alerts(run_of(by_hand, stories.errors([[0.8]] * 5), (1.0,))) == []


def test_the_numbers_are_those_of_the_dominance_probe(short_demo):
    found = probe.ask(short_demo, Options())
    skill = dominance.ask(short_demo, Options(metrics_only=True))["median_skill"]
    expected = skill.sel(split="train", drop=True)
    assert np.array_equal(found["number"].sel(rule="codependence"), expected, equal_nan=True)
    assert found["limit"].sel(rule="codependence").item() == MEDIAN_SKILL


def test_what_members_moved_is_the_distance_of_their_checkpoints(short_demo):
    kept = probe.ask(short_demo, Options())["displacement"].values
    for lane in short_demo.lanes:
        at = (lane.lam_index, lane.trial)
        last = short_demo.seal(lane).epoch
        for epoch in (0, 1, last):
            now, start = (short_demo.checkpoint(lane, e) for e in (epoch, 0))
            squares = [
                ((now[n].astype(float) - start[n]).reshape(len(now[n]), -1) ** 2).sum(1)
                for n in now
            ]
            assert kept[at][epoch] == pytest.approx(np.sqrt(np.sum(squares, 0)), rel=1e-5)


def test_a_member_that_hardly_moves_is_named_where_the_engine_kept_how_far(toy_that_stagnates):
    [alert] = [f for f in judged(toy_that_stagnates) if f.rule == "stagnation"]
    assert alert.members == (1,)


@pytest.fixture
def toy_that_stagnates(warned):
    run = warned.seal_all()
    moved = zarr.open_group(run.path / "store.zarr", mode="r+")["metrics/displacement"]
    moved[0] = np.broadcast_to([1.0, 0.1, 1.1, 0.9], moved.shape[1:])
    return run
