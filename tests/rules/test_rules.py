from dataclasses import replace

import numpy as np
import pytest

from jtdiag import rules
from jtdiag.rules import limits, skill, stagnation
from jtdiag.rules.contract import History
from jtdiag.rules.module_history import ModuleHistory

CHANCE = 0.9
ALIKE = [0.12, 0.13, 0.14, 0.15]


def history(member_error, ensemble_error=0.1, *, epochs=None, **facts):
    """Four members (or as many as given) whose errors are the same after every epoch."""
    member_error = np.asarray(member_error, float)
    count = 5 if epochs is None else epochs
    known = {
        "epoch": np.arange(count),
        "member_error": np.tile(member_error, (count, 1)),
        "member_loss": np.tile(member_error, (count, 1)),
        "ensemble_error": np.full(count, ensemble_error),
        "ensemble_loss": np.full(count, ensemble_error),
        "chance_error": CHANCE,
        "chance_loss": np.log(10),
        "lam": np.ones(count),
    }
    return History(**(known | facts))


def of_modules(epochs=15, **metrics):
    """Members with three modules; each metric is the same after every epoch."""
    shape = (epochs, len(ALIKE), 3)
    arrays = {name: np.broadcast_to(values, shape) for name, values in metrics.items()}
    modules = ModuleHistory.of(("layer1", "layer2", "head"), arrays, warmup=0)
    return history(ALIKE, epochs=epochs, modules=modules, examples=1000)


def fired(example):
    return [verdict.rule for verdict in rules.judge(example)]


ONE_IS_WEAK = [0.12, 0.13, 0.9, 0.15]


def test_members_as_good_as_the_ensemble_give_no_verdict():
    assert fired(history(ALIKE)) == []


def test_one_good_member_among_guessing_ones_is_dominance():
    [verdict] = rules.judge(history([0.9, 0.12, 0.88, 0.9]))
    assert (verdict.rule, verdict.level, verdict.epoch) == ("dominance", "alert", 4)
    assert verdict.members == (1,)
    # median error of the three others 0.9: (0.9 − 0.9) / (0.9 − 0.1)
    assert verdict.number == pytest.approx(0.0)
    assert verdict.number < verdict.limit == limits.MEDIAN_SKILL
    assert "that member 12 %" in verdict.observation


def test_guessing_members_of_a_good_ensemble_are_codependent():
    [verdict] = rules.judge(history([0.9, 0.8, 0.88, 0.9]))
    assert (verdict.rule, verdict.members) == ("codependence", ())


def test_of_two_members_a_perfect_one_dominates_a_guessing_one():
    [verdict] = rules.judge(history([0.9, 0.0], ensemble_error=0.0))
    assert (verdict.rule, verdict.members, verdict.number) == ("dominance", (1,), 0.0)
    assert "the other member 90 %" in verdict.observation
    assert fired(history([0.12, 0.13])) == []


def test_two_equally_good_members_of_eight_are_both_named():
    [verdict] = rules.judge(history([0.9, 0.0, 0.9, 0.9, 0.0, 0.9, 0.9, 0.9], ensemble_error=0.0))
    assert (verdict.rule, verdict.members) == ("dominance", (1, 4))
    assert verdict.observation.startswith("2 of 8 members dominate the ensemble")


def test_two_good_members_of_four_dominate_two_dead_ones():
    [verdict] = rules.judge(history([0.1, 0.88, 0.14, 0.9]))
    assert (verdict.rule, verdict.members) == ("dominance", (0, 2))
    assert verdict.number == pytest.approx((0.9 - 0.89) / 0.8)


def test_one_dead_member_beside_three_good_ones_is_no_dominance():
    assert fired(history([0.1, 0.12, 0.9, 0.14])) == []


def test_members_that_still_learn_are_not_judged_until_they_stop():
    """The others approach the leader by an eighth of the distance in every epoch, or stop."""
    catching_up = 0.1 + 0.8 * 0.87 ** np.arange(5)
    errors = np.stack([np.full(5, 0.1), catching_up, catching_up], 1)
    assert fired(replace(history([0.1, 0.9, 0.9]), member_error=errors)) == []
    errors[-1] = errors[-2]
    assert fired(replace(history([0.1, 0.9, 0.9]), member_error=errors)) == ["dominance"]
    weak = np.stack([0.9 - 0.1 * np.arange(5)] * 3, 1)
    assert fired(replace(history([0.5] * 3), member_error=weak)) == []
    weak[-1] = weak[-2] = 0.6
    assert fired(replace(history([0.5] * 3), member_error=weak)) == ["codependence"]


def test_others_skill_is_the_slow_median_without_the_leaders():
    random = np.random.default_rng(3)
    for members in (2, 3, 4, 7):
        for share in random.uniform(-0.2, 1.1, (20, members)):
            ranked = sorted(share.tolist(), reverse=True)
            count = max(1, sum(s >= limits.LEADER_SKILL for s in ranked))
            others = ranked[min(count, members // 2) :]
            expected = float(np.median(others))
            assert skill.others_skill(share) == pytest.approx(expected, rel=1e-14)
    assert np.isnan(skill.others_skill(np.array([0.9])))
    assert np.isnan(skill.others_skill(np.array([0.9, np.nan])))


def test_leaders_are_found_in_every_row_of_shares():
    share = np.array([[0.2, 0.1, 0.2], [0.95, 0.99, 0.5]])
    rows = [skill.leaders(row) for row in share]
    np.testing.assert_array_equal(skill.leaders(share), rows)
    np.testing.assert_array_equal(rows[0], [True, False, True])


def test_members_that_have_not_moved_at_all_have_no_relative_displacement():
    still = history(ONE_IS_WEAK, displacement=np.zeros((5, 4)))
    assert np.isnan(stagnation.relative_displacement(still)).all()
    assert fired(still) == []


# --- nothing learned, unequal classes, independent training --------------------------------------


def test_members_of_an_ensemble_that_has_learned_nothing_are_not_compared():
    """Errors of networks with random weights on digits, as after five epochs at a rate of 1e-6."""
    untrained = history([0.93, 0.90, 0.84, 0.93], ensemble_error=0.86, examples=1097)
    assert fired(untrained) == []
    assert all(np.isnan(rules.scores(untrained)[name]) for name in ("dominance", "codependence"))


def test_with_few_examples_the_ensemble_must_be_better_by_more_than_its_noise():
    example = history([0.9, 0.5, 0.9], ensemble_error=0.5)
    # 0.4 against 4 √(0.25 / N): 0.42 for 23 examples, 0.37 for 29
    assert fired(replace(example, examples=23)) == []
    assert fired(replace(example, examples=29)) == ["dominance"]


RARE = {"chance_error": 0.01, "chance_loss": 0.056, "examples": 2000}


def test_the_one_member_that_knows_a_rare_class_dominates_those_that_say_the_other():
    [verdict] = rules.judge(history([0.01, 0.001, 0.01, 0.01], ensemble_error=0.001, **RARE))
    assert (verdict.rule, verdict.members, verdict.number) == ("dominance", (1,), 0.0)


def test_members_that_all_say_the_frequent_class_have_learned_nothing():
    assert fired(history([0.01] * 4, ensemble_error=0.01, **RARE)) == []


def test_training_examples_of_one_class_say_nothing():
    one_class = {"chance_error": 0.0, "chance_loss": 0.0, "examples": 100}
    assert fired(history([0.0] * 4, ensemble_error=0.0, **one_class)) == []


def test_independent_members_are_not_dominated():
    example = history([0.9, 0.12, 0.88, 0.9])
    assert fired(replace(example, lam=np.zeros(5))) == []
    assert fired(replace(example, lam=np.full(5, 0.1))) == ["dominance"]
    assert fired(replace(example, lam=None)) == ["dominance"]


@pytest.mark.parametrize("name", ["codependence", "stagnation", "diversity-explosion"])
def test_without_joint_training_nothing_alerts_to_its_failure(name):
    [independent] = rules.judge(replace(EXAMPLES[name], lam=np.zeros(5)))
    [joint] = rules.judge(replace(EXAMPLES[name], lam=np.full(5, 0.1)))
    assert (independent.level, joint.level) == ("info", "alert")
    assert "smaller λ" not in independent.advice


@pytest.mark.parametrize(("epochs", "expected"), [(3, []), (4, ["dominance"])])
def test_nobody_speaks_of_skill_before_the_early_epoch(epochs, expected):
    assert fired(history([0.9, 0.12, 0.88, 0.9], epochs=epochs)) == expected


def test_an_ensemble_that_guesses_tells_nothing_of_its_members():
    assert fired(history([0.9, 0.9, 0.9], ensemble_error=0.9)) == []
    assert np.isnan(rules.RULES.find("dominance").score(history([0.9, 0.9], ensemble_error=0.95)))


def test_a_single_member_is_no_ensemble():
    assert fired(history([0.9], ensemble_error=0.1)) == []


def test_a_member_that_moves_a_tenth_of_the_median_way_stagnates():
    moved = np.tile([1.0, 1.1, 0.1, 0.9], (5, 1))
    [verdict] = rules.judge(history(ONE_IS_WEAK, displacement=moved))
    assert (verdict.rule, verdict.members) == ("stagnation", (2,))
    assert verdict.number == pytest.approx(0.1 / 0.95)


def test_a_member_that_moves_little_and_has_learned_does_not_stagnate():
    """As one whose initial weights are smaller than those of the others."""
    moved = np.tile([1.0, 1.1, 0.1, 0.9], (5, 1))
    assert fired(history(ALIKE, displacement=moved)) == []


@pytest.mark.parametrize(("stagnant", "expected"), [(1, []), (9, []), (10, ["stagnation"])])
def test_a_few_of_many_members_may_stagnate(stagnant, expected):
    errors, moved = np.full(91, 0.15), np.ones((5, 91))
    errors[:stagnant], moved[:, :stagnant] = 0.9, 0.1
    assert fired(history(errors, displacement=moved)) == expected


@pytest.mark.parametrize("moved", [None, np.full((5, 4), np.nan), np.zeros((5, 4))])
def test_without_movement_nobody_stagnates(moved):
    assert fired(history(ONE_IS_WEAK, displacement=moved)) == []


def test_diversity_of_many_guesses_is_an_explosion():
    losses = np.tile([9.0, 9.0, 9.0, 9.0], (5, 1))
    [verdict] = rules.judge(history(ALIKE, member_loss=losses))
    assert verdict.rule == "diversity-explosion"
    assert verdict.number == pytest.approx(8.9 / np.log(10))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_member_without_a_finite_loss_has_diverged_from_the_first_epoch_on(bad):
    losses = np.tile([0.1, bad, 0.1, 0.1], (1, 1))
    verdicts = rules.judge(history(ALIKE, epochs=1, member_loss=losses))
    [verdict] = [v for v in verdicts if v.rule == "divergence"]
    assert verdict.members == (1,)
    assert np.isfinite(verdict.number)
    assert "1 of 4 members" in verdict.observation


def test_an_ensemble_without_a_finite_loss_has_diverged():
    example = history(ALIKE, ensemble_loss=np.array([1, 1, 1, 1, np.nan]))
    [verdict] = [v for v in rules.judge(example) if v.rule == "divergence"]
    assert "the ensemble" in verdict.observation


def test_a_loss_above_a_guess_that_grows_diverges():
    grows = history(ALIKE, ensemble_loss=np.array([2.3, 1.0, 2.0, 2.5, 4.0]))
    assert "divergence" in fired(grows)
    falls = history(ALIKE, ensemble_loss=np.array([2.3, 9.0, 7.0, 5.0, 4.0]))
    assert "divergence" not in fired(falls)


def test_a_plateau_at_chance_level_is_no_divergence():
    """Losses of 3 members of 8 hidden layers at λ = 1, over ln 10, which then learn."""
    plateau = np.log(10) * np.array([1.0, 1.003, 1.004, 1.002, 1.0031, 1.0032])
    for epochs in range(1, 7):
        guess = np.full((epochs, 3), 0.9)
        example = history(
            [0.9] * 3,
            epochs=epochs,
            ensemble_loss=plateau[:epochs],
            ensemble_error=guess[:, 0],
            member_loss=np.stack([plateau[:epochs]] * 3, 1),
        )
        assert fired(example) == []


def test_losses_of_a_start_that_is_unstable_are_no_divergence():
    for start in ([2.3, 40.0, 2.4, 2.5], [2.3, 3.2, 2.6, 2.7]):
        losses = np.array(start)
        example = history(ALIKE, epochs=4, ensemble_loss=losses, ensemble_error=np.full(4, 0.9))
        assert "divergence" not in fired(example)


def test_an_ensemble_that_returns_to_chance_level_has_diverged():
    collapse = np.array([2.3, 1.1, 0.8, 2.1, 2.33])
    [verdict] = [
        v for v in rules.judge(history(ALIKE, ensemble_loss=collapse)) if v.rule == "divergence"
    ]
    assert verdict.number == pytest.approx(2.33 / np.log(10))
    assert "from 0.8 nats, its lowest value so far, to 2.33 nats" in verdict.observation


def test_the_loss_that_counts_is_the_one_descended():
    losses = np.stack([np.full(4, loss) for loss in (2.3, 1.0, 2.0, 2.5, 4.0)])
    example = history(ALIKE, member_loss=losses, ensemble_loss=np.array([2.3, 0.5, 0.4, 0.3, 0.2]))
    assert "divergence" not in fired(example)
    assert "divergence" in fired(replace(example, lam=np.zeros(5)))
    assert "divergence" not in fired(replace(example, lam=None))


def test_members_without_training_error_get_advice():
    [verdict] = rules.judge(history([0.001, 0.0, 0.002, 0.004], ensemble_error=0.0))
    assert (verdict.rule, verdict.level) == ("over-capacity", "info")
    assert verdict.number == pytest.approx(0.0015 / CHANCE)


def test_a_rule_is_told_with_the_epoch_at_which_it_first_spoke():
    errors = np.array([[0.9] * 4, ALIKE, ALIKE, ALIKE, [0.9, 0.12, 0.88, 0.9]])
    example = replace(history(ALIKE), member_error=errors)
    [verdict] = rules.first(example)
    assert (verdict.rule, verdict.epoch) == ("dominance", 4)
    assert rules.first(example.until(3)) == []


def test_a_history_begins_where_it_begins():
    later = replace(history(ALIKE), epoch=np.arange(2, 7))
    assert later.until(4).last == 4
    with pytest.raises(ValueError, match=r"epoch is 1; the history starts at 2\."):
        later.until(1)


GROWS = np.array([2.3, 1.0, 2.0, 2.5, 4.0])
EXAMPLES = {
    "dominance": history([0.9, 0.12, 0.88, 0.9]),
    "codependence": history([0.9, 0.8, 0.88, 0.9]),
    "stagnation": history(ONE_IS_WEAK, displacement=np.tile([1.0, 1.1, 0.1, 0.9], (5, 1))),
    "diversity-explosion": history(ALIKE, member_loss=np.full((5, 4), 9.0)),
    "divergence": history(ALIKE, member_loss=np.tile(GROWS, (4, 1)).T, ensemble_loss=GROWS),
    "over-capacity": history([0.001, 0.0, 0.002, 0.004], ensemble_error=0.0),
    "dead-rows": of_modules(dead_rows=0.5),
    "stagnant-module": of_modules(module_error=[0.1, 0.3, 0.9]),
    "synthetic-useless": of_modules(synthetic_r2=[-1.0, 0.5, np.nan]),
}


def test_there_is_an_example_of_every_built_in_rule():
    assert tuple(EXAMPLES) == rules.RULES.order


@pytest.mark.parametrize(
    ("name", "lam"),
    [
        (name, lam)
        for name in EXAMPLES
        for lam in (None, 0.0, 0.5, 1.0)
        if (name, lam) != ("dominance", 0.0)
    ],
)
def test_every_verdict_completes_a_sentence_and_gives_advice(name, lam):
    example = EXAMPLES[name]
    lams = None if lam is None else np.full(example.epoch.size, lam)
    [verdict] = rules.judge(replace(example, lam=lams))
    assert verdict.rule == name
    assert not verdict.observation[0].isupper()
    assert not verdict.observation.endswith(".")
    assert verdict.advice[0].isupper()
    assert verdict.advice.endswith(".")
    assert np.isfinite([verdict.number, verdict.limit]).all()


def test_every_rule_compares_something_and_has_a_finite_limit():
    for rule in rules.RULES.all():
        assert rule.compares
        assert np.isfinite(rule.limit)


def test_epochs_of_which_nothing_was_measured_are_left_out():
    loss, error = np.array([np.nan, 0.1, np.nan]), np.array([np.nan, 0.1, 0.1])
    example = history(ALIKE, epochs=3, ensemble_loss=loss, ensemble_error=error)
    assert example.measured().epoch.tolist() == [1, 2]  # the last has diverged and is known
    assert example.measured().member_error.shape == (2, 4)
    nothing = np.full(3, np.nan)
    assert (
        history(ALIKE, epochs=3, ensemble_loss=nothing, ensemble_error=nothing).measured() is None
    )
