"""The zoo: its lanes, their counts, and the pages that contain them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import jtdiag
from early_warning_study import lanes
from early_warning_study.training import TABLES
from false_alarms_study import counts, data, report, rule_pages, training, zoo
from jtdiag import rules
from study_page import written

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "runs" / "studies"
PAGE = ROOT / "docs" / "early-diagnosis.md"
TOLERATED = 0.05


def row(kind: str = "independent", **changed: object) -> dict[str, str]:
    """A healthy lane in which no rule fired."""
    values = {"kind": kind, "fits": 0, "finite": 1, "broken": 0, **dict.fromkeys(zoo.RULES, 0)}
    return {name: str(value) for name, value in (values | changed).items()}


def of(rule: str, *table: dict[str, str]) -> counts.FalseAlarms:
    return next(found for found in counts.by_rule(list(table)) if found.rule == rule)


# --- counts ---------------------------------------------------------------------------------------


def test_alarms_are_counted_by_epoch_3_and_ever():
    found = of("dominance", row(dominance=3), row(dominance=4), row(), row(dominance=1))
    assert (found.lanes, found.early, found.ever) == (4, 2, 3)
    assert found.early_interval == pytest.approx((0.0676, 0.9324), abs=1e-4)


def test_over_capacity_is_right_where_members_fit_at_the_end():
    found = of("over-capacity", row(**{"over-capacity": 2, "fits": 1}), row())
    assert (found.lanes, found.ever) == (1, 0)


def test_divergence_is_right_where_too_large_a_rate_has_broken_a_lane():
    table = [
        row(divergence=2, finite=0, broken=1),
        row(broken=1),
        row(divergence=9),
        row(zoo.TOO_LARGE, divergence=2, broken=1),
        row(zoo.TOO_LARGE, divergence=5, broken=1),
        row(zoo.TOO_LARGE, divergence=5),
    ]
    assert (of("divergence", *table).lanes, of("divergence", *table).ever) == (2, 1)
    found = counts.divergence_found(table)
    assert (found.lanes, found.early, found.ever) == (2, 1, 2)


def test_members_that_fail_at_lambda_1_are_counted_for_divergence_only():
    found = of("dominance", row("plateau at chance, λ = 1", dominance=3))
    assert found.lanes == 0
    assert of("divergence", row("plateau at chance, λ = 1", divergence=3)).early == 1
    assert all(of(rule, row(zoo.TOO_LARGE)).lanes == 0 for rule in zoo.RULES)


# --- the zoo --------------------------------------------------------------------------------------


def test_the_zoo_has_at_least_200_lanes_for_every_rule_about_failure():
    counted = dict.fromkeys(zoo.RULES, 0)
    for healthy in zoo.everything():
        for rule in healthy.counted:
            counted[rule] += len(healthy.lambdas) * healthy.trials
    assert min(counted.values()) >= 200


def test_every_run_has_a_name_of_its_own_and_makes_a_recipe():
    runs = [*zoo.everything(), *zoo.diverging()]
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        assert run.recipe("digits").lam == run.lambdas


def test_classes_are_as_unequal_as_their_name_says():
    assert data.unequal(0.01)["y_train"].mean() == pytest.approx(0.01)
    assert data.unequal(0.1)["y_test"].mean() == pytest.approx(0.1)
    many = data.many_classes()
    assert set(np.bincount(many["y_train"])) == {5}
    assert many["y_test"].size == 1_000


def test_three_in_ten_labels_are_drawn_anew():
    noisy = data.wrong_labels()
    whole = data.digits.SOURCE.load(Path())
    wrong = (noisy["y_train"] != whole.y_train).mean()
    assert wrong == pytest.approx(0.3 * 0.9, abs=0.04)
    assert np.array_equal(noisy["y_test"], whole.y_test)


@pytest.mark.slow
def test_a_row_contains_when_each_rule_fired_first(tmp_path):
    quick = list(zoo.quick())
    training.train(quick, tmp_path)
    training.gather(quick, tmp_path, tmp_path)
    table = counts.load(tmp_path / training.TABLE)
    assert len(table) == sum(len(h.lambdas) * h.trials for h in quick)
    run = jtdiag.Run(tmp_path / "zoo" / quick[0].name)
    for lane, found in zip(run.lanes, table, strict=False):
        blind = replace(run.history(lane), lam=None)
        first = {v.rule: v.epoch for v in rules.first(blind)}
        assert {rule: int(found[rule]) for rule in zoo.RULES if int(found[rule])} == first


# --- the pages ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    return counts.load(STUDIES / training.TABLE)


def test_the_table_has_every_lane_of_the_zoo(table):
    runs = [*zoo.everything(), *zoo.diverging()]
    assert len(table) == sum(len(run.lambdas) * run.trials for run in runs)


@pytest.mark.parametrize("rule", zoo.RULES)
def test_a_rule_alarms_at_most_one_in_twenty_healthy_lanes_by_epoch_3(table, rule):
    found = of(rule, *table)
    assert found.early / found.lanes <= TOLERATED


def test_the_page_contains_the_counts(table):
    page = PAGE.read_text("utf-8")
    assert written(page, report.tables(table)) == page, (
        "python runs/studies/false_alarms.py report --page docs/early-diagnosis.md"
    )


@pytest.mark.slow
def test_each_rules_page_contains_its_accuracy(table):
    study = lanes.load(STUDIES / TABLES["rules"])
    for rule, paragraph in rule_pages.paragraphs(study, table).items():
        page = (ROOT / "docs" / "rules" / f"{rule}.md").read_text("utf-8")
        assert rule_pages.replaced(page, rule, paragraph) == page, (
            "python runs/studies/false_alarms.py pages docs/rules"
        )


def test_a_page_without_a_place_for_its_accuracy_is_refused():
    with pytest.raises(ValueError, match="no marker"):
        rule_pages.replaced("# dominance\n", "dominance", "text")
