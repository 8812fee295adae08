"""The study as a whole: lanes trained and told, and the page that its tables fill."""

from pathlib import Path

import attrs
import numpy as np
import pytest

import jtdiag
from early_warning_study import (
    depth,
    drawing,
    factors,
    grid,
    judging,
    lanes,
    questions,
    report,
    sgd,
    training,
)
from early_warning_study.grid import EARLY, Ensemble
from jtdiag import names, rules
from jtdiag.figures import style
from jtdiag.rules import limits
from study_page import written

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "runs" / "studies"
PAGE = ROOT / "docs" / "early-diagnosis.md"

SMALL = Ensemble("rules", "digits", 1, 4, 4, 0.01, (0.0, 1.0), 1, 11)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> jtdiag.Run:
    recipe = SMALL.recipe("digits")
    quick = attrs.evolve(recipe, train=attrs.evolve(recipe.train, batch=200))
    return jtdiag.train(quick, tmp_path_factory.mktemp("study") / "run")


@pytest.mark.slow
def test_a_row_tells_of_its_lane_what_the_run_holds(run):
    rows = list(training.rows(SMALL, run))
    assert [row["lam"] for row in rows] == ["0", "1"]
    train = run.metrics().isel(lam=1, trial=0).sel({names.SPLIT: names.TRAIN})
    test = run.metrics().isel(lam=1, trial=0).sel({names.SPLIT: names.TEST})
    error = train.member_error.values
    row = {name: float(value) for name, value in rows[1].items() if name not in _WORDS}
    assert row["median_3"] == pytest.approx(np.median(error[3]), abs=6e-4)
    assert row["best_10"] == pytest.approx(error[10].min(), abs=6e-4)
    assert row["ensemble_1"] == pytest.approx(float(train.ensemble_error[1]), abs=6e-4)
    assert row["diversity_2"] == pytest.approx(
        float(train.member_loss[2].mean() - train.ensemble_loss[2]), rel=6e-3
    )
    leaders = error.argmin(1)  # no two errors are the least here
    assert [row[f"leads_{e}"] for e in (1, 5, 10)] == [
        float(leaders[e] == leaders[-1]) for e in (1, 5, 10)
    ]
    last = test.isel(epoch=-1)
    ranked = np.sort(last.member_error.values)
    assert row["test_others"] == pytest.approx(np.median(ranked[1:]), abs=6e-4)
    assert row["test_best"] == pytest.approx(ranked[0], abs=6e-4)
    assert row["test_ensemble"] == pytest.approx(float(last.ensemble_error), abs=6e-4)
    assert row["test_ensemble_5"] == pytest.approx(float(test.ensemble_error[5]), abs=6e-4)
    assert row["train_worst"] == pytest.approx(error[-1].max(), abs=6e-4)


_WORDS = ("data", "start", *judging.RULES)


@pytest.mark.slow
def test_a_row_contains_how_far_the_member_that_moved_least_came(run):
    rows = list(training.rows(SMALL, run))
    moved = run.metrics().displacement.values
    for lane, row in zip(run.lanes, rows, strict=True):
        for epoch in EARLY:
            far = moved[lane.lam_index, lane.trial, epoch]
            expected = far.min() / np.median(far)
            assert float(row[f"moved_{epoch}"]) == pytest.approx(expected, abs=6e-4)


@pytest.mark.slow
def test_a_row_contains_the_verdicts_after_each_epoch(run):
    rows = list(training.rows(SMALL, run))
    for lane, row in zip(run.lanes, rows, strict=True):
        history = run.history(lane)
        for place, epoch in enumerate(EARLY):
            if epoch >= limits.EARLY_EPOCH:
                fired = {verdict.rule for verdict in rules.judge(history.until(epoch))}
                assert {rule for rule in judging.RULES if row[rule][place] == "1"} == fired


def test_rules_that_wait_are_asked_earlier_for_the_study_only():
    with judging.asked_from(1):
        assert limits.EARLY_EPOCH == 1
    assert limits.EARLY_EPOCH == 3


@pytest.mark.slow
def test_training_does_nothing_twice_and_leaves_tables(run, tmp_path, capsys):
    ensembles = [
        Ensemble("depth", "digits", 2, 4, 2, 0.01, (1.0,), 2, 1, 400),
        Ensemble("rules", "fashion", 1, 4, 4, 0.01),
    ]
    training.train(ensembles, tmp_path, root=None)
    assert capsys.readouterr().out.count("\n") == 1  # without its files, no Fashion-MNIST
    training.train(ensembles, tmp_path, root=None)
    assert capsys.readouterr().out == ""
    training.gather(ensembles, tmp_path, tmp_path)
    [case] = depth.load(tmp_path / training.TABLES["depth"])
    assert (case.trials, case.depth, case.budget) == (2, 2, 400)
    training.write(tmp_path / training.TABLES["rules"], list(training.rows(SMALL, run)))
    assert len(lanes.load(tmp_path / training.TABLES["rules"])) == len(SMALL.lambdas)


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> lanes.Lanes:
    return lanes.load(TABLES / training.TABLES["rules"])


@pytest.fixture(scope="module")
def about_sgd() -> lanes.Lanes:
    return lanes.load(TABLES / training.TABLES["sgd"])


@pytest.fixture(scope="module")
def tables(found, about_sgd) -> dict[str, str]:
    return report.tables(found, depth.load(TABLES / training.TABLES["depth"]), about_sgd)


@pytest.mark.slow
def test_the_page_holds_what_the_analysis_makes_of_the_lanes(tables):
    page = PAGE.read_text("utf-8")
    assert written(page, tables) == page, (
        "python runs/studies/early_warning.py report --page docs/early-diagnosis.md"
    )


def test_a_page_without_a_place_for_a_table_is_refused(tables):
    with pytest.raises(ValueError, match="no marker for the table 'lanes'"):
        written("# A page\n", tables)


def test_the_lanes_are_those_of_the_grid(found):
    rules = [e for e in grid.everything() if e.purpose == "rules"]
    assert len(found) == sum(len(e.lambdas) * e.trials for e in rules)
    names_of = {f"{e.data} {e.depth}x{e.width} {e.members} {e.start} {e.decay:g}" for e in rules}
    assert set(found.configuration) == names_of


def test_the_lanes_about_sgd_are_those_of_the_grid_and_take_equally_many_steps(about_sgd):
    ensembles = [e for e in grid.everything() if e.purpose == "sgd"]
    assert len(about_sgd) == sum(e.trials for e in ensembles)
    assert len(set(about_sgd.configuration)) == len(ensembles)
    assert len({e.epochs / e.batch for e in ensembles}) == 1


@pytest.mark.parametrize("factor", sgd.PREDICTED, ids=lambda factor: factor.short)
def test_an_effect_of_sgd_is_the_mean_difference_between_cells(about_sgd, factor):
    learnt = about_sgd.where(about_sgd.learnt)
    concentration = (learnt.members - learnt.effective) / (learnt.members - 1)
    level = getattr(learnt, factor.column)
    others = [name for name in ("depth", "start", "norm", "rate", "batch") if name != factor.column]
    cell = np.array(
        [str(parts) for parts in zip(*(getattr(learnt, n) for n in others), strict=True)]
    )
    both = [
        [concentration[(cell == name) & (level == end)] for end in (factor.low, factor.high)]
        for name in set(cell)
    ]
    wanted = [high.mean() - low.mean() for low, high in both if low.size and high.size]
    [effect] = [e for e in sgd.effects(about_sgd) if e.factor == factor]
    assert effect.concentration.mean == pytest.approx(np.mean(wanted))


def test_the_bar_holds_on_held_out_lanes_after_epoch_3(found):
    failed = questions.halves(found, questions.comparisons(found)[0])
    area = questions.areas(found, questions.weakness(found), failed)[questions.epoch_index(3)]
    assert area.value >= 0.9


@pytest.mark.slow
def test_the_figure_draws_the_rates_the_effects_and_every_lane_that_learnt(found):
    with style.of():
        left, middle, right = drawing.draw(found).axes
    recall = left.containers[1].lines[0].get_ydata()
    wanted = [questions.detection(found, "dominance", e).clustered.recall.value for e in EARLY]
    assert recall == pytest.approx([100 * value for value in wanted])
    drawn = middle.containers[0].lines[0].get_xdata()
    measured = [effect.concentration.mean for effect in factors.effects(found)]
    assert drawn == pytest.approx(measured, nan_ok=True)
    points = sum(len(dots.get_offsets()) for dots in right.collections)
    assert points == found.learnt.sum()
