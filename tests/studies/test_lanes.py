"""What counts as failed, who is held out, and the questions asked of lanes made by hand."""

import numpy as np
import pytest
from lanes_by_hand import lanes, row

from early_warning_study import depth, grid, lanes as table, questions, roc
from early_warning_study.grid import EARLY
from early_warning_study.training import write
from jtdiag.engine.architectures import build
from jtdiag.recipe.recipe import Members


@pytest.mark.parametrize(
    ("ensemble", "others", "best", "expected"),
    [
        pytest.param(0.1, 0.12, 0.1, (True, False, False), id="stands alone"),
        pytest.param(0.1, 0.51, 0.4, (True, True, False), id="codependent"),
        pytest.param(0.1, 0.51, 0.3, (True, True, True), id="dominated"),
        pytest.param(0.46, 0.9, 0.9, (False, False, False), id="not learnt"),
        pytest.param(0.9, 0.95, 0.9, (False, False, False), id="at chance"),
    ],
)
def test_how_a_lane_ended(ensemble, others, best, expected):
    found = lanes(row(test_ensemble=ensemble, test_others=others, test_best=best))
    assert (found.learnt[0], found.failed[0], found.dominated[0]) == expected


def test_skill_after_an_early_epoch_is_that_share_of_the_ensembles():
    found = lanes(row(others_3=0.5, best_3=0.3, ensemble_3=0.1))
    assert found.others_skill[0, 2] == pytest.approx(0.5)
    assert found.leader_skill[0, 2] == pytest.approx(0.75)


def test_a_configuration_is_held_out_whole():
    rows = [row(width=w, lam=lam, rate=r) for w in range(2, 40) for lam in (0, 1) for r in (1, 2)]
    found = lanes(*rows)
    for name in set(found.configuration):
        assert len(set(found.held_out[found.configuration == name])) == 1
    assert 0.2 < found.held_out.mean() < 0.8


def test_comparisons_leave_out_what_did_not_learn():
    found = lanes(
        row(lam=1, test_others=0.8),
        row(lam=1, test_ensemble=0.8),
        row(lam=0.5, start="ahead"),
        row(lam=1, start="spread"),
    )
    everywhere, at_one, below, equal, unequal = questions.comparisons(found)
    assert everywhere.kept.tolist() == [True, False, True, True]
    assert everywhere.positive.tolist() == [True, False, False, False]
    assert at_one.kept.tolist() == [True, False, False, True]
    assert below.kept.tolist() == [False, False, True, False]
    assert equal.kept.tolist() == [True, False, False, False]
    assert unequal.kept.tolist() == [False, False, True, True]


def test_the_outcome_is_known_at_several_lengths_of_training():
    found = lanes(row(test_others_5=0.8, test_others_10=0.8, test_best_10=0.6))
    assert found.dominated_after[0].tolist() == [True, False, False]


def test_a_member_that_learnt_nothing_is_stagnant():
    found = lanes(row(train_worst=0.85), row(train_worst=0.8), row(train_worst=0.1))
    assert found.stagnant.tolist() == [True, False, False]


# --- verdicts -------------------------------------------------------------------------------------


def alarmed(*epochs: int) -> str:
    return "".join(str(int(epoch in epochs)) for epoch in EARLY)


def test_alarms_of_a_rule_are_counted_against_how_lanes_ended():
    found = lanes(
        row(test_others=0.8, dominance=alarmed(3, 4)),
        row(test_others=0.8, width=9),
        row(test_others=0.8, test_best=0.6, width=10, dominance=alarmed(3)),
        row(width=11, codependence=alarmed(3)),
        row(test_ensemble=0.8, test_others=0.8, width=12, dominance=alarmed(3)),
    )
    dominance = questions.detection(found, "dominance", 3)
    assert (dominance.right, dominance.alarms) == (1, 2)
    assert (dominance.positives, dominance.negatives) == (2, 2)
    assert dominance.exact_recall == pytest.approx((0.0126, 0.9874), abs=1e-4)  # 1 of 2
    assert questions.detection(found, "dominance", 5).alarms == 0
    either = questions.detection(found, questions.ANY, 3)
    assert (either.right, either.alarms, either.positives) == (2, 3, 3)
    assert questions.detection(found, "dominance", 3, found.width < 9).positives == 1


def test_the_leaders_limit_separates_dominated_from_codependent_lanes():
    rows = [
        row(width=w, test_others=0.8, test_best=best, best_3=best)
        for w in range(2, 30)
        for best in (0.1, 0.6)
    ]
    found = questions.leader_limit(lanes(*rows), 3)
    assert (0.9 - 0.6) / 0.8 < found.limit < 1
    dominated, codependent = found.shares
    assert (dominated.value, codependent.value) == (1, 0)


def many(seed: int = 3) -> table.Lanes:
    """Lanes whose skill after epoch 3 goes with that at the end."""
    rng, rows = np.random.default_rng(seed), []
    for width in range(2, 42):
        for lam in (0.0, 0.9, 1.0):
            end = float(np.clip(rng.normal(0.35 if lam == 1 else 0.8, 0.2), 0.01, 1))
            early = float(np.clip(end + rng.normal(0, 0.1), 0, 1))
            rows.append(
                row(
                    width=width,
                    lam=lam,
                    test_others=0.9 - 0.8 * end,
                    test_best=0.9 - 0.8 * min(1, end + rng.uniform(0, 0.6)),
                    others_3=0.9 - 0.8 * early,
                    leads_3=int(rng.random() < 0.5),
                )
            )
    return lanes(*rows)


def test_limits_come_from_one_half_and_rates_from_the_other():
    found = many()
    score = questions.weakness(found)
    limit = questions.calibrated(found, score, 3)
    sets, tests = found.where(~found.held_out), found.where(found.held_out)
    assert limit.limit == roc.best_limit(-sets.others_skill[:, 2], sets.failed)
    alarm = tests.others_skill[:, 2] <= -limit.limit
    assert limit.rates.recall.value == pytest.approx(alarm[tests.failed].mean())
    assert limit.rates.false_alarms.value == pytest.approx(alarm[~tests.failed].mean())


def test_a_tolerant_limit_alarms_no_more_good_lanes_than_it_may():
    found = many()
    score = questions.weakness(found)
    limit = questions.tolerant(found, score, 3, 0.1).limit
    good = score[~found.held_out & ~found.failed, 2]
    assert (good >= limit).mean() <= 0.1
    assert (good >= good[good < limit].max()).mean() > 0.1


def test_the_areas_are_those_of_the_lanes_kept():
    found = many()
    comparison = questions.halves(found, questions.comparisons(found)[0])
    area = questions.areas(found, questions.weakness(found), comparison)[2]
    tests = found.where(found.held_out)
    assert area.value == pytest.approx(roc.area(-tests.others_skill[:, 2], tests.failed))
    assert area.low <= area.value <= area.high


def test_another_meaning_of_failed_counts_other_lanes():
    found = many()
    counts = {below: count for below, (count, _) in questions.sensitivity(found).items()}
    tests = found.where(found.held_out)
    assert counts == {below: int((tests.final_skill < below).sum()) for below in counts}


def test_the_claim_is_counted_by_lambda_and_by_end():
    found = many()
    claims = {claim.of: claim for claim in questions.claims(found)}
    leads = found.leads[:, 2]
    assert (claims["all"].held, claims["all"].lanes) == (leads.sum(), len(found))
    assert claims["λ = 0.9"].held == leads[found.lam == 0.9].sum()
    assert claims["codependent"].lanes == (found.failed & ~found.dominated).sum()
    assert claims["all"].chance == 0.25
    low, high = claims["all"].interval
    assert low < claims["all"].held / claims["all"].lanes < high


def test_a_lane_at_lambda_0_is_compared_with_its_twin():
    found = lanes(
        row(lam=0, width=8, test_ensemble=0.1),
        row(lam=0.9, width=8, test_ensemble=0.2),
        row(lam=0, width=16, test_ensemble=0.2),
        row(lam=0.9, width=16, test_ensemble=0.1),
        row(lam=0, width=32),
        row(lam=0.9, width=32, trial=1),
    )
    alone, enough = questions.capacity_pairs(found)
    assert alone.width.tolist() == [8, 16]
    assert enough.tolist() == [True, False]


# --- the grid -------------------------------------------------------------------------------------


def test_the_grid_has_the_lanes_that_the_study_promises():
    rules = [e for e in grid.everything() if e.purpose == "rules"]
    assert sum(len(e.lambdas) * e.trials for e in rules) >= 300
    assert len({e.name for e in grid.everything()}) == len(list(grid.everything()))
    assert all(e.epochs > max(EARLY) for e in rules)


def test_every_ensemble_makes_a_recipe():
    for ensemble in [*grid.everything(), *grid.quick()]:
        recipe = ensemble.recipe("digits")
        assert recipe.members.hidden == (ensemble.width,) * ensemble.depth
        assert recipe.train.weight_decay * ensemble.members == pytest.approx(ensemble.decay)
        assert recipe.first_lr(0) == pytest.approx(ensemble.rate * ensemble.members)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_parameters_are_counted_as_the_engine_makes_them(layers):
    members = Members(arch="mlp", count=1, hidden=(13,) * layers)
    made = build(members, (64,), 10).parameters
    count = sum(int(np.prod(parameter.shape)) for parameter in made.values())
    assert grid.parameters(layers, 13, 64, 10) == count


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("budget", [650, 3_000, 24_000])
def test_no_width_comes_nearer_to_a_budget(layers, budget):
    def off(width: int) -> int:
        return abs(grid.parameters(layers, width, 64, 10) - budget)

    assert off(grid.width_for(budget, layers, 64, 10)) == min(off(w) for w in range(1, 400))


# --- depth ----------------------------------------------------------------------------------------


def test_depth_is_contrasted_at_equal_budgets_with_the_error_of_a_difference(tmp_path):
    rows = [
        {
            "data": "digits",
            "budget": "3000",
            "depth": str(layers),
            "width": "8",
            "lam": "1",
            "members": "4",
            "effective": str(effective),
            "test_ensemble": "0.1",
            "test_median": "0.5",
            "test_best": "0.3",
            "test_gini": "0.1",
        }
        for layers, effectives in ((1, (4.0, 3.0, 2.0)), (4, (1.0, 2.0, 1.5)))
        for effective in effectives
    ]
    write(tmp_path / "depth.csv", rows)
    cases = depth.load(tmp_path / "depth.csv")
    assert [(c.depth, c.trials, c.learnt) for c in cases] == [(1, 3, 3), (4, 3, 3)]
    assert cases[0].median.value == pytest.approx(0.5)
    assert cases[0].lead.value == pytest.approx(0.25)
    assert cases[0].effective.value == pytest.approx(0.75)
    found = depth.contrasts(cases)["digits", 3000]["effective"]
    shallow, deep = np.array([1, 0.75, 0.5]), np.array([0.25, 0.5, 0.375])
    error = np.sqrt(shallow.var(ddof=1) / 3 + deep.var(ddof=1) / 3)
    assert (found.value, found.error) == pytest.approx((deep.mean() - shallow.mean(), error))


def test_a_case_of_one_trial_has_no_error_and_one_of_none_no_mean():
    assert np.isnan(depth.mean(np.array([0.5])).error)
    assert np.isnan(depth.mean(np.array([])).value)
