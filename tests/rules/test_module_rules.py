"""Rules on what is measured module by module: dead rows, stagnant modules, synthetic gradients."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from jtdiag import rules
from jtdiag.rules import limits, stagnant_module, synthetic_useless
from jtdiag.rules.contract import History
from jtdiag.rules.module_history import ModuleHistory

NAMES = ("layer1", "layer2", "layer3", "head")
EXAMPLES = 1000


def history(epochs=16, members=2, *, head_from=0, warmup=0, error=0.1, **metrics):
    """Members that learn alike; each metric is (K,), of every member, or (E, K) or (E, M, K)."""
    shape = (epochs, members, len(NAMES))
    known = {
        name: np.broadcast_to(a if a.ndim != 2 else a[:, None], shape)
        for name, a in ((name, np.asarray(value, float)) for name, value in metrics.items())
    }
    return History(
        epoch=np.arange(epochs),
        member_error=np.full((epochs, members), error),
        member_loss=np.full((epochs, members), 0.5),
        ensemble_error=np.full(epochs, error),
        ensemble_loss=np.full(epochs, 0.5),
        chance_error=0.9,
        chance_loss=np.log(10),
        examples=EXAMPLES,
        lam=np.ones(epochs),
        head_from=head_from,
        modules=ModuleHistory.of(NAMES, known, warmup),
    )


def fired(example):
    return [verdict.rule for verdict in rules.judge(example)]


def first_epoch(example, rule):
    return next((v.epoch for v in rules.first(example) if v.rule == rule), None)


def test_without_modules_nothing_is_said():
    assert fired(replace(history(), modules=None)) == []
    assert all(np.isnan(rules.scores(history())[name]) for name in ("dead-rows", "stagnant-module"))
    assert ModuleHistory.of((), {}, 0) is None


# --- dead rows ------------------------------------------------------------------------------------


def test_more_dead_rows_than_one_percent_of_a_member_are_named():
    dead = np.zeros((16, 2, 4))
    dead[4:, 1, 2] = 0.25
    example = history(dead_rows=dead)
    [verdict] = rules.judge(example)
    assert (verdict.rule, verdict.level, verdict.members) == ("dead-rows", "alert", (1,))
    assert (verdict.number, verdict.limit) == (0.25, limits.DEAD_ROWS)
    assert "module layer3 returns only zeros in 1 of 2 members, for 25 %" in verdict.observation
    assert first_epoch(example, "dead-rows") == 4


@pytest.mark.parametrize(("share", "expected"), [(0.01, []), (0.0101, ["dead-rows"])])
def test_one_percent_of_dead_rows_is_the_limit(share, expected):
    assert fired(history(dead_rows=[0, share, 0, 0])) == expected


def test_dead_rows_before_training_are_not_judged():
    assert fired(history(dead_rows=[0, 0.5, 0, 0]).until(0)) == []


def test_dead_rows_are_reported_while_the_head_is_not_trained_yet():
    example = history(dead_rows=[0, 0.5, 0, 0], head_from=12)
    assert first_epoch(example, "dead-rows") == 1
    assert rules.scores(example.until(2))["dead-rows"] == 0.5
    assert np.isnan(rules.scores(example.until(2))["dominance"])


# --- stagnant modules -----------------------------------------------------------------------------


def test_a_head_with_significantly_more_errors_than_the_one_before_it_is_stagnant():
    example = history(module_error=[0.2, 0.05, 0.12, 0.04])
    [verdict] = rules.judge(example)
    assert (verdict.rule, verdict.epoch, verdict.members) == ("stagnant-module", 15, ())
    assert verdict.number == pytest.approx((120 - 50) / np.sqrt(120 + 50))
    assert "module layer3 is no better than module layer2" in verdict.observation
    assert "local head is 12 %, and that of the other 5 %" in verdict.observation
    assert first_epoch(example, "stagnant-module") == limits.EARLY_EPOCH


def test_a_later_module_that_still_learns_is_not_judged_yet():
    errors = np.full((16, 4), 0.05)
    errors[:, 2] = [*np.linspace(0.9, 0.3, 11), *np.full(5, 0.29)]
    example = history(module_error=errors)
    assert stagnant_module.score(example.until(5)) > limits.STAGNANT_SE
    assert first_epoch(example, "stagnant-module") == 11


@pytest.mark.parametrize("errors", [[0.2, 0.1, 0.1, 0.5], [0, 0, 0, 0], [0.2, 0.1, 0.13, 0.1]])
def test_equal_modules_no_errors_and_a_poor_head_are_not_stagnant(errors):
    assert fired(history(module_error=errors)) == []


def test_no_statement_without_local_heads_numbers_of_examples_or_a_second_hidden_module():
    worse = history(module_error=[0.2, 0.05, 0.3, 0.04])
    assert fired(worse) == ["stagnant-module"]
    assert fired(replace(worse, examples=None)) == []
    two = replace(
        worse.modules, names=("body", "head"), module_error=worse.modules.module_error[..., 1:3]
    )
    assert fired(replace(worse, modules=two)) == []
    assert np.isnan(stagnant_module.score(replace(worse, modules=two)))


def test_the_standard_error_is_not_below_that_of_mcnemar():
    generator = np.random.default_rng(0)
    first = generator.random(EXAMPLES) < 0.1
    second = np.where(generator.random(EXAMPLES) < 0.3, generator.random(EXAMPLES) < 0.4, first)
    errors = [0.2, first.mean(), second.mean(), 0]
    mcnemar = (second & ~first).sum() - (first & ~second).sum()
    exact = mcnemar / np.sqrt((second ^ first).sum())
    excess = stagnant_module.excess(history(members=1, module_error=errors))[1]
    assert 0 < excess <= exact


def test_heads_that_are_equally_good_are_accused_as_rarely_as_a_normal_variable_says():
    generator = np.random.default_rng(1)
    wrong = generator.binomial(EXAMPLES, 0.1, (2000, 4)) / EXAMPLES  # as if independent
    accused = sum(bool(fired(history(epochs=4, members=1, module_error=row))) for row in wrong)
    assert accused <= stats.binom.ppf(0.999, 2000, 2 * stats.norm.sf(limits.STAGNANT_SE))


# --- synthetic gradients --------------------------------------------------------------------------


def r2(first, *, epochs=16, later=0.5):
    """R² of layer1 by epoch; that of the others stays."""
    values = np.full((epochs, 4), later)
    values[:, 0] = np.broadcast_to(first, epochs)
    values[:, -1] = np.nan
    return values


def test_synthetic_gradients_that_never_explain_anything_are_named_after_ten_epochs():
    example = history(synthetic_r2=r2(-2.0))
    [verdict] = rules.judge(example)
    assert (verdict.rule, verdict.number) == ("synthetic-useless", -2.0)
    assert "synthetic gradients of module layer1" in verdict.observation
    assert "R² was at most −2.00 in the last 13 epochs" in verdict.observation
    assert first_epoch(example, "synthetic-useless") == limits.SYNTHETIC_EPOCHS


def test_the_warmup_does_not_count():
    values = np.where(np.arange(30) <= 5, 0.4, -1.0)
    example = history(epochs=30, warmup=5, synthetic_r2=r2(values, epochs=30))
    assert first_epoch(example, "synthetic-useless") == 5 + limits.SYNTHETIC_EPOCHS


def test_synthetic_gradients_that_explain_nothing_late_only_are_not_named():
    values = np.where(np.arange(30) == 7, 0.2, -1.0)
    assert rules.first(history(epochs=30, synthetic_r2=r2(values, epochs=30))) == []


def test_fitted_data_leave_no_gradient_to_explain():
    assert fired(history(synthetic_r2=r2(-2.0), error=0.005)) == ["over-capacity"]


@pytest.mark.parametrize(("value", "expected"), [(0.051, []), (0.05, ["synthetic-useless"])])
def test_the_limit_of_r2(value, expected):
    assert fired(history(synthetic_r2=r2(value))) == expected


def test_a_diverged_member_is_left_to_the_rule_divergence():
    values = np.repeat(r2(-2.0)[:, None], 2, 1)
    values[5:, 0] = np.nan
    assert np.isnan(synthetic_useless.score(history(synthetic_r2=values)))


PARTS = (slice(5), slice(5, None))


# --- histories ------------------------------------------------------------------------------------


def test_histories_are_changed_and_combined_with_their_modules():
    whole = history(dead_rows=[0.5, 0, 0, 0], synthetic_r2=r2(0.3)).modules
    first, rest = (whole.mapped(lambda rows, part=part: rows[part]) for part in PARTS)
    again = first.combined(rest, lambda a, b: np.concatenate([a, b]))
    np.testing.assert_array_equal(again.dead_rows, whole.dead_rows)
    np.testing.assert_array_equal(again.synthetic_r2, whole.synthetic_r2)
    assert again.module_error is None
    unknown = whole.combined(replace(whole, dead_rows=None), np.add)
    assert unknown.dead_rows is None
