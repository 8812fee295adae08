"""Every field of each rule's verdict, and the limits from both sides."""

from dataclasses import replace

import numpy as np
import pytest

from jtdiag import rules
from jtdiag.errors import RecipeError
from jtdiag.rules import divergence, limits, over_capacity, skill, stagnation, wording
from jtdiag.rules.contract import History, Rule, Verdict

BEFORE = 0.95
"""Training error of all members until two epochs before the end."""


def history(member_error, ensemble_error=0.1, *, epochs=5, **fields):
    """Errors after the last two epochs; before them, all members are at `BEFORE`."""
    last = np.asarray(member_error, float)
    errors = np.full((epochs, last.size), BEFORE)
    errors[-2:] = last
    ensemble = np.full(epochs, 0.8)
    ensemble[-2:] = ensemble_error
    values = {
        "epoch": np.arange(epochs),
        "member_error": errors,
        "member_loss": np.full(errors.shape, 1.0),
        "ensemble_error": ensemble,
        "ensemble_loss": np.full(epochs, 0.5),
        "chance_error": 0.9,
        "chance_loss": 2.0,
        "lam": np.ones(epochs),
    }
    return History(**(values | fields))


def verdict_of(name, example):
    return rules.RULES.find(name).judge(example)


def fires(name, example):
    return verdict_of(name, example) is not None


ALIKE = [0.12, 0.13, 0.14, 0.15]

# --- every field ---------------------------------------------------------------------------------


def test_a_verdict_of_dominance():
    assert verdict_of("dominance", history([0.88, 0.12, 0.7, 0.9, 0.15])) == Verdict(
        rule="dominance",
        level="alert",
        epoch=4,
        number=pytest.approx((0.9 - 0.88) / 0.8),
        limit=0.48,
        observation=(
            "2 of 5 members dominate the ensemble (training error: those members at most 15 %, the "
            "median of the others 88 %, ensemble 10 %; the median of the others has 3 % of the "
            "ensemble's skill, below the limit of 48 %)"
        ),
        advice=wording.skill_advice(1.0),
        members=(1, 4),
    )


def test_a_verdict_of_codependence():
    assert verdict_of("codependence", history([0.9, 0.8, 0.86, 0.88])) == Verdict(
        rule="codependence",
        level="alert",
        epoch=4,
        number=pytest.approx(0.03 / 0.8),
        limit=0.48,
        observation=(
            "no member performs well on its own (training error: median member 87 %, best member "
            "80 %, ensemble 10 %; the median member has 4 % of the ensemble's skill, below the "
            "limit of 48 %)"
        ),
        advice=wording.skill_advice(1.0),
    )


def test_a_verdict_of_stagnation():
    moved = np.full((5, 4), 0.3)
    moved[-1] = [0.1, 1.1, 0.2, 0.9]  # median 0.55
    example = history([0.9, 0.12, 0.86, 0.15], displacement=moved)
    assert verdict_of("stagnation", example) == Verdict(
        rule="stagnation",
        level="alert",
        epoch=4,
        number=pytest.approx(0.1 / 0.55),
        limit=0.46,
        observation=(
            "2 of 4 members have hardly moved from initialization and learned little: the smallest "
            "distance is 18 % of the median member's, below the limit of 46 %, with at most 5 % of "
            "the ensemble's skill"
        ),
        advice="Compare with a smaller λ, or with fewer members of the same total size.",
        members=(0, 2),
    )


def test_a_verdict_of_diversity_explosion():
    losses = np.full((5, 4), 1.0)
    losses[-1] = [3.0, 4.0, 5.0, 6.0]
    example = history(ALIKE, member_loss=losses, lam=np.array([1, 1, 1, 1, 0.5]))
    assert verdict_of("diversity-explosion", example) == Verdict(
        rule="diversity-explosion",
        level="alert",
        epoch=4,
        number=2.0,
        limit=0.73,
        observation=(
            "the diversity on the training set (mean member loss minus ensemble loss) is 4 nats, "
            "2 times the chance-level loss and above the limit of 0.73"
        ),
        advice="Compare with a smaller λ, which gives diversity less weight in the loss.",
    )


def test_a_verdict_of_divergence():
    losses = np.array([0.1, 1.5, 0.5, 2.0, 3.0])
    assert verdict_of("divergence", history(ALIKE, ensemble_loss=losses)) == Verdict(
        rule="divergence",
        level="alert",
        epoch=4,
        number=1.5,
        limit=1.0,
        observation=(
            "the training loss increased from 0.5 nats, its lowest value so far, to 3 nats, 1.5 "
            "times the chance-level loss"
        ),
        advice="Lower train.lr, or clip gradients with train.clip.",
    )


def test_a_verdict_on_members_without_a_finite_loss():
    losses = np.ones((5, 4))
    losses[0, 1] = np.nan  # not after the last epoch
    losses[-1, [0, 3]] = np.nan, np.inf
    assert verdict_of("divergence", history(ALIKE, member_loss=losses)) == Verdict(
        rule="divergence",
        level="alert",
        epoch=4,
        number=2.0,
        limit=0.0,
        observation="the training loss of 2 of 4 members is not finite",
        advice="Lower train.lr, or clip gradients with train.clip.",
        members=(0, 3),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"ensemble_loss": np.array([1, 1, 1, 1, np.inf])},
        {"ensemble_loss": np.array([1, 1, 1, 1, np.nan]), "chance_loss": None},
        {"ensemble_loss": np.full(5, 1e300), "chance_loss": 1e-100},  # their ratio overflows
    ],
)
def test_a_verdict_on_an_ensemble_without_a_finite_loss(fields):
    with np.errstate(over="ignore"):
        verdict = verdict_of("divergence", history(ALIKE, **fields))
    assert (verdict.number, verdict.limit, verdict.members) == (1.0, 0.0, ())
    assert verdict.observation == "the training loss of the ensemble is not finite"


def test_a_verdict_of_over_capacity():
    example = history([0.001, 0.0, 0.002, 0.004], ensemble_error=0.0)
    assert verdict_of("over-capacity", example) == Verdict(
        rule="over-capacity",
        level="info",
        epoch=4,
        number=pytest.approx(0.0015 / 0.9),
        limit=0.01,
        observation=(
            "members fit the training set on their own: the median member's training error is "
            "0.15 %"
        ),
        advice=(
            "Webb et al. (2020) report no benefit of joint training for such members; compare with "
            "λ = 0, independent training."
        ),
    )


# --- two members, one member ---------------------------------------------------------------------

PAIRS = {
    "dominance": history([0.9, 0.12]),
    "codependence": history([0.9, 0.8]),
    "stagnation": history([0.9, 0.12], displacement=np.tile([0.1, 1.0], (5, 1))),
    "diversity-explosion": history([0.12, 0.13], member_loss=np.full((5, 2), 4.0)),
    "over-capacity": history([0.001, 0.002], ensemble_error=0.0),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_members_are_an_ensemble_and_one_is_none(name):
    pair = PAIRS[name]
    assert fires(name, pair)
    moved = pair.displacement
    single = replace(
        pair,
        member_error=pair.member_error[:, :1],
        member_loss=pair.member_loss[:, :1],
        displacement=None if moved is None else moved[:, :1],
    )
    assert not fires(name, single)


@pytest.mark.parametrize("name", ["dominance", "codependence", "stagnation", "diversity-explosion"])
def test_the_third_epoch_is_the_first_that_is_judged(name):
    assert limits.EARLY_EPOCH == 3
    late = replace(PAIRS[name], epoch=np.arange(-1, 4))
    early = replace(PAIRS[name], epoch=np.arange(-2, 3))
    assert (fires(name, late), fires(name, early)) == (True, False)


def test_members_are_not_over_capable_before_they_are_trained():
    example = PAIRS["over-capacity"]
    assert fires("over-capacity", replace(example, epoch=np.arange(-3, 2)))
    assert not fires("over-capacity", replace(example, epoch=np.arange(-4, 1)))


# --- limits from both sides ----------------------------------------------------------------------


def skilled(*shares):
    """Members with these shares of the skill of an ensemble without errors; at chance all err."""
    return history(1 - np.array(shares), ensemble_error=0.0, chance_error=1.0)


def test_shares_are_one_minus_the_error_here():
    np.testing.assert_array_equal(skill.shares(skilled(0.25, 0.75, 0.5)), [0.25, 0.75, 0.5])


def test_members_lead_from_the_limit_on(monkeypatch):
    monkeypatch.setattr(limits, "MEDIAN_SKILL", 0.5)
    assert verdict_of("dominance", skilled(0.75, 0.25, 0.25)).members == (0,)
    assert not fires("codependence", skilled(0.75, 0.25, 0.25))
    assert not fires("dominance", skilled(0.71875, 0.25, 0.25))
    assert fires("codependence", skilled(0.71875, 0.25, 0.25))


def test_skill_is_lacking_below_the_limit_and_not_at_it(monkeypatch):
    monkeypatch.setattr(limits, "MEDIAN_SKILL", 0.5)
    for name, leader in (("dominance", 1.0), ("codependence", 0.5)):
        assert fires(name, skilled(leader, 0.46875, 0.46875))
        assert not fires(name, skilled(leader, 0.5, 0.5))


def test_half_of_the_members_may_lead_and_no_more():
    assert fires("dominance", skilled(1, 1, 0, 0))
    assert not fires("dominance", skilled(1, 1, 1, 0, 0))
    assert not fires("dominance", skilled(0.5, 0.0, 0.0, 0.0))  # nobody leads


def test_members_stagnate_below_both_limits_and_not_at_them(monkeypatch):
    monkeypatch.setattr(limits, "MEDIAN_SKILL", 0.5)

    def stagnate(moved, share):
        example = replace(
            skilled(share, 1, 1, 1), displacement=np.tile([moved, 1.0, 1.0, 1.0], (5, 1))
        )
        return stagnation.stagnant(example).tolist() == [True, False, False, False]

    assert stagnate(0.45, 0.25)
    assert not stagnate(0.46, 0.25)
    assert not stagnate(0.45, 0.5)


@pytest.mark.parametrize(("members", "least"), [(3, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_a_tenth_of_the_members_rounded_up_must_stagnate(members, least):
    for count in (least - 1, least):
        moved, errors = np.ones((5, members)), np.full(members, 0.15)
        moved[:, :count], errors[:count] = 0.1, 0.9
        assert fires("stagnation", history(errors, displacement=moved)) == (count == least)


def test_the_score_of_stagnation_is_the_smallest_distance_over_the_median():
    example = history(ALIKE, displacement=np.tile([1.0, 4.0, 2.0, 2.0], (5, 1)))
    assert stagnation.score(example) == 0.5
    assert np.isnan(stagnation.score(history(ALIKE)))
    still = replace(example, displacement=np.zeros((5, 4)))
    assert np.isnan(stagnation.score(still))


@pytest.mark.parametrize(("loss", "expected"), [(1.96, False), (1.98, True)])
def test_diversity_explodes_above_its_limit(loss, expected):
    example = history(ALIKE, member_loss=np.full((5, 4), loss))  # (loss − 0.5) / 2 against 0.73
    assert fires("diversity-explosion", example) == expected


def test_diversity_at_its_limit_is_no_explosion():
    example = history(
        ALIKE, member_loss=np.full((5, 4), 0.73), ensemble_loss=np.zeros(5), chance_loss=1.0
    )
    assert not fires("diversity-explosion", example)


@pytest.mark.parametrize("chance_loss", [None, 0.0])
def test_without_a_loss_at_chance_level_nothing_is_compared_with_it(chance_loss):
    example = history(ALIKE, member_loss=np.full((5, 4), 9.0), chance_loss=chance_loss)
    assert not fires("diversity-explosion", example)
    assert np.isnan(rules.scores(example)["diversity-explosion"])
    grows = replace(example, ensemble_loss=np.arange(5.0))
    assert not fires("divergence", grows)
    assert np.isnan(divergence.score(grows))


def test_an_infinite_diversity_is_left_to_the_rule_of_divergence():
    losses = np.ones((5, 4))
    losses[-1, 0] = np.inf
    example = history(ALIKE, member_loss=losses, lam=None)
    assert not fires("diversity-explosion", example)
    assert fires("divergence", example)


@pytest.mark.parametrize(
    ("losses", "diverges"),
    [
        ([1.0, 0.5, 1.0, 2.0], False),  # at chance level, not above it
        ([1.0, 0.5, 1.0, 2.25], True),
        ([1.0, 0.5, 2.25, 2.25], False),  # not higher than an epoch before
        ([1.0, 0.5, 3.0, 2.25], False),
        ([1.0, 2.0, 2.25, 2.5], False),  # by a quarter of the loss at chance level, 0.5
        ([1.0, 2.0, 2.25, 2.53125], True),
        ([0.0, 2.25, 2.5], False),  # lower before training, which does not count
        ([0.0, 2.25, 2.78125], True),
        ([0.0, 9.0], False),  # a single epoch
        ([1.0, np.nan, 0.5, 1.0, 2.25], True),  # of the others, 0.5 is the lowest
    ],
)
def test_a_loss_diverges_that_increases_above_chance_level(losses, diverges):
    example = history([0.12, 0.13], epochs=len(losses), ensemble_loss=np.array(losses))
    assert fires("divergence", example) == diverges


def test_the_objective_is_the_loss_that_training_minimizes():
    members = np.array([[1.0, 3.0], [2.0, 6.0]])
    example = history(
        [0.1, 0.2],
        epochs=2,
        member_loss=members,
        ensemble_loss=np.array([1.0, 3.0]),
        lam=np.array([0.25, 0.75]),
    )
    assert divergence.objective(example).tolist() == [0.25 + 1.5, 2.25 + 1.0]
    assert divergence.score(example) == 3.25 / 2
    assert divergence.objective(replace(example, lam=None)).tolist() == [1.0, 3.0]


@pytest.mark.parametrize(("error", "expected"), [(0.0099, True), (0.01, False), (0.0101, False)])
def test_members_without_errors_have_less_than_a_hundredth_of_those_at_chance(error, expected):
    example = history([0.0, error, 0.5], ensemble_error=0.0, chance_error=1.0)
    assert fires("over-capacity", example) == expected


def test_over_capacity_is_not_defined_where_nothing_can_be_learned():
    one_class = history([0.0, 0.0], ensemble_error=0.0, chance_error=0.0)
    assert np.isnan(over_capacity.score(one_class))
    assert over_capacity.score(replace(one_class, chance_error=0.5)) == 0.0


# --- skill ---------------------------------------------------------------------------------------


def test_the_ensemble_has_learned_beyond_a_quarter_of_the_error_at_chance():
    for error, learned in ((0.75, False), (0.74, True)):
        assert skill.has_learned(history(ALIKE, error, chance_error=1.0)) is learned


@pytest.mark.parametrize(
    ("error", "examples", "least"),
    [
        (0.5, None, 0.25),
        (0.5, 100, 0.25),  # 4 √(0.25 / 100) = 0.2
        (0.5, 16, 0.5),
        (0.2, 4, 0.8),  # 4 √(0.16 / 4)
        (1.5, 4, 0.25),  # an error above 1 has no binomial noise
        (-0.5, 4, 0.25),
    ],
)
def test_the_least_skill_is_a_share_or_four_standard_errors(error, examples, least):
    example = history(ALIKE, error, chance_error=1.0, examples=examples)
    assert skill.least_skill(example) == pytest.approx(least, rel=1e-12)


def test_members_still_learn_that_improve_by_more_than_a_twentieth_of_chance():
    everybody = np.ones(3, bool)
    for step, learning in ((0.0625, True), (0.05, False), (0.03125, False), (-0.5, False)):
        errors = np.array([[0.9] * 3, [0.5, 0.9, 0.1], [0.5 - step, 0.9, 0.1]])
        example = replace(history([0.5] * 3, epochs=3, chance_error=1.0), member_error=errors)
        assert skill.still_learning(example, everybody) is learning
    first = replace(history([0.5] * 3, epochs=3)).until(0)
    assert skill.still_learning(first, everybody) is False


def test_only_the_members_that_are_asked_for_are_learning():
    errors = np.array([[0.9, 0.9], [0.9, 0.2]])
    example = replace(history([0.9, 0.2], epochs=2, chance_error=1.0), member_error=errors)
    learning = [skill.still_learning(example, np.arange(2) == member) for member in range(2)]
    assert learning == [False, True]


def test_the_shares_of_skill_are_those_of_the_last_epoch():
    example = history([0.9, 0.5, 0.1, -0.3], ensemble_error=0.1)
    np.testing.assert_allclose(skill.shares(example), [0, 0.5, 1, 1.5], atol=1e-15)
    assert skill.median_skill(example) == pytest.approx(0.75)
    assert skill.leader_skill(example) == pytest.approx(1.5)
    below_chance = skill.skill_ratio(np.array([0.1]), np.array([0.9, 1.0]), 0.9)
    assert np.isnan(below_chance).all()


# --- histories -----------------------------------------------------------------------------------


def test_a_shorter_history_is_that_of_every_measurement():
    random = np.random.default_rng(0)
    values = {
        "member_error": random.random((4, 3)),
        "member_loss": random.random((4, 3)),
        "ensemble_error": random.random(4),
        "ensemble_loss": random.random(4),
        "displacement": random.random((4, 3)),
        "lam": random.random(4),
    }
    whole = replace(history([0.1] * 3, epochs=4, examples=7), **values)
    shorter = whole.until(1)
    assert shorter.epoch.tolist() == [0, 1]
    for name, value in values.items():
        np.testing.assert_array_equal(getattr(shorter, name), value[:2])
    assert (shorter.examples, shorter.chance_error, shorter.chance_loss) == (7, 0.9, 2.0)
    assert (shorter.last, shorter.last_lam) == (1, values["lam"][1])
    without = replace(whole, displacement=None, lam=None).until(1)
    assert (without.displacement, without.lam, without.last_lam) == (None, None, None)


def test_the_diversity_is_mean_member_loss_minus_ensemble_loss():
    members = np.array([[1.0, 2.0], [3.0, 5.0]])
    example = history([0.1, 0.2], epochs=2, member_loss=members, ensemble_loss=np.array([1, 3]))
    assert example.diversity.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("lam", "joint", "level"),
    [(None, True, "alert"), (0.0, False, "info"), (0.5, True, "alert"), (1.0, True, "alert")],
)
def test_training_is_joint_unless_lambda_is_0(lam, joint, level):
    example = history(ALIKE, lam=None if lam is None else np.array([1, 0, 1, 1, lam]))
    assert (example.joint, example.level) == (joint, level)


def test_epochs_count_from_the_one_in_which_heads_are_trained():
    whole = history(ALIKE, epochs=6, head_from=2)
    assert whole.until(2).with_heads() is None
    since = whole.with_heads()
    assert (since.epoch.tolist(), since.head_from) == ([0, 1, 2, 3], 0)
    np.testing.assert_array_equal(since.member_error, whole.member_error[2:])
    assert whole.until(3).with_heads().epoch.tolist() == [0, 1]
    trained = replace(whole, head_from=0)
    assert trained.with_heads() is trained


def test_verdicts_name_the_epoch_of_the_run_and_wait_for_heads():
    led = history([0.9, 0.12, 0.88, 0.9], epochs=8, head_from=4)
    [verdict] = rules.judge(led)
    assert (verdict.rule, verdict.epoch) == ("dominance", 7)
    assert rules.judge(replace(led, head_from=5)) == []  # the second epoch with heads
    before = replace(led, head_from=7)
    assert rules.judge(before) == []
    scores = rules.scores(before)
    assert list(scores) == list(rules.RULES.names())
    assert np.isnan(list(scores.values())).all()
    assert rules.scores(led)["dominance"] == pytest.approx(0.0)


# --- evaluation ----------------------------------------------------------------------------------


def test_only_the_rules_named_are_judged_in_their_order():
    example = history([0.9, 0.12, 0.7, 0.9], displacement=np.tile([0.1, 1, 1, 1], (5, 1)))
    names = [verdict.rule for verdict in rules.judge(example, ["stagnation", "dominance"])]
    assert names == ["stagnation", "dominance"]
    assert rules.judge(example, []) == []
    assert {verdict.rule for verdict in rules.judge(example)} == {"stagnation", "dominance"}


def test_the_scores_are_those_of_all_rules():
    example = history([0.9, 0.5, 0.9, 0.9], displacement=np.tile([0.5, 1, 1, 1], (5, 1)))
    assert rules.scores(example) == {
        "dominance": pytest.approx(0.0),
        "codependence": pytest.approx(0.0),
        "stagnation": 0.5,
        "diversity-explosion": 0.25,
        "divergence": 0.25,
        "over-capacity": pytest.approx(1.0),
        "dead-rows": pytest.approx(np.nan, nan_ok=True),
        "stagnant-module": pytest.approx(np.nan, nan_ok=True),
        "synthetic-useless": pytest.approx(np.nan, nan_ok=True),
    }


@pytest.mark.parametrize(
    ("losses", "lam"),
    [
        (np.array([1.0, np.inf, 1.0, 1.0]), 1.0),  # (1 − λ) times it is not defined
        (np.full(4, 1e308), 0.5),  # their sum overflows
    ],
)
def test_members_that_have_diverged_raise_no_warning(losses, lam):
    """Warnings are errors in these tests."""
    example = history(ALIKE, member_loss=np.tile(losses, (5, 1)), lam=np.full(5, lam))
    assert "divergence" in [verdict.rule for verdict in rules.judge(example)]
    assert not np.isfinite(rules.scores(example)["divergence"])


def test_a_verdict_under_another_name_is_refused(monkeypatch):
    verdict = verdict_of("dominance", history([0.9, 0.12]))
    rule = Rule(name="mine", compares="", limit=0.0, score=lambda _: 0.0, judge=lambda _: verdict)
    monkeypatch.setattr(type(rules.RULES), "find", lambda _, name: rule)
    with pytest.raises(RecipeError) as caught:
        rules.judge(history(ALIKE), ["mine"])
    assert str(caught.value) == (
        "Rule 'mine' returned a verdict of a rule named 'dominance'; the two names must be the "
        "same."
    )
