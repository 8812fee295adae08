"""The study of the paper's claims: rows of runs, judgments of numbers by hand, and the page."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

import jtdiag
from jtdiag import names
from jtdiag.figures import style
from jtdiag.recipe import studies
from jtdiag.testing import toy_data
from reproduction_study import (
    claims,
    collecting,
    drawing,
    elsewhere,
    image_lanes,
    image_report,
    lanes,
    quantities,
    report,
)
from reproduction_study.lanes import Measured
from study_page import written

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reproduction.md"
TABLES = ROOT / "runs" / "studies"
LAMBDAS = (0, 0.5, 0.8, 0.9, 0.95, 0.99, 1)

STUDY = """
data = { name = "toy.npz", val = 20 }
members = { arch = "mlp", count = 4, hidden = [4] }
train = { epochs = 4, batch = 16, lr = 0.1 }
keep = { splits = ["val", "test"], outputs = ["best"], checkpoints = "none" }
engine = { device = "cpu", threads = 1 }
trials = 2
[runs.mlp-256x4]
lam = [0, 0.99, 1]
[runs.mlp-1x1024]
scheme = "single"
lam = 1
members = { count = 1 }
[runs.mlp-16x64]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    toy_data(folder / "toy.npz")
    (folder / "study.toml").write_text(STUDY.replace("toy.npz", f"{folder}/toy.npz"), "utf-8")
    study = studies.find(str(folder))
    for name in ("mlp-256x4", "mlp-1x1024"):
        jtdiag.train(study.runs[name], folder / name)
    collecting.gather(folder, folder)
    return folder


@pytest.mark.slow
def test_rows_hold_what_the_runs_hold(trained):
    run = jtdiag.Run(trained / "mlp-256x4")
    rows = collecting.read(trained / collecting.FILES["lanes"])
    assert [(row["run"], row["lam"], row["trial"]) for row in rows] == [
        *(("mlp-256x4", lam, trial) for lam in ("0", "0.99", "1") for trial in "01"),
        ("mlp-1x1024", "1", "0"),
        ("mlp-1x1024", "1", "1"),
    ]
    assert {*collecting.MEASURED} < rows[0].keys()
    row = rows[3]
    of_lane = run.metrics().isel({names.LAM: 1, names.TRIAL: 1}).sel({names.SPLIT: names.TEST})
    best = int(row["best_epoch"])
    at_best, last = of_lane.sel({names.EPOCH: best}), of_lane.isel({names.EPOCH: -1})
    expected = {
        "test_ensemble_best": at_best[names.ENSEMBLE_ERROR],
        "test_median_last": last[names.MEMBER_ERROR].median(),
        "test_lowest_best": at_best[names.MEMBER_ERROR].min(),
        "test_member_loss_best": at_best[names.MEMBER_LOSS].mean(),
    }
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(float(value), abs=6e-6)
    assert [bool(row["stacked"]) for row in rows] == [True, True, *[False] * 6]


@pytest.mark.slow
def test_accuracies_with_dropped_members_start_with_all_of_them(trained):
    measured = lanes.load(trained)
    for lam in (0.0, 0.99, 1.0):
        errors = measured.values("mlp-256x4", lam, "test_ensemble_best")
        for trial, error in errors.items():
            dropped, accuracy = measured.accuracy("mlp-256x4", lam, trial)
            np.testing.assert_array_equal(dropped, [0, 1, 2, 3])
            assert accuracy[0] == pytest.approx(1 - error, abs=2e-5)
    run = jtdiag.Run(trained / "mlp-256x4")
    probed = jtdiag.probe(run, "robustness")["accuracy"].sel(subsets="shared")  # of all subsets
    for lane in run.lanes:
        curve = collecting.accuracies(run, lane)
        exact = probed.values[lane.lam_index, lane.trial]
        np.testing.assert_allclose(curve[[0, -1]], exact[[0, -1]], atol=0.15)
        np.testing.assert_allclose(curve[0], exact[0], atol=1e-12)
    assert measured.accuracy("mlp-1x1024", 1.0, 0)[0].size == 0


def made(error, trials=3, runs=(claims.SMALL, claims.MIDDLE, claims.LARGE, claims.SINGLE)):
    """Lanes whose test error is `error(run, lam)`, with a spread of 0.1 points over trials."""
    rows = []
    for run in (*runs, claims.BAGGING):
        for lam in LAMBDAS if run in runs[:3] else (1,) if run == claims.SINGLE else (0,):
            for trial in range(trials):
                value = error(run, lam) + 0.001 * (trial - (trials - 1) / 2)
                row = dict.fromkeys(collecting.MEASURED, f"{value:.5f}") | {"members": "4"}
                row |= {"run": run, "lam": f"{lam:g}", "trial": str(trial)}
                row |= {"test_member_loss_best": f"{np.exp(value):.5f}", "leader_kept": "1"}
                rows.append(row | {"stacked": f"{value + 0.02:.5f}" if lam == 0 else ""})
    return Measured(rows, [])


def as_in_the_paper(run, lam):
    if run == claims.SMALL:
        return 0.163 if lam == 0 else 0.113 if lam == 1 else 0.103
    return 0.2 if run == claims.BAGGING else 0.102


def test_an_interval_is_that_of_an_analysis_of_variance():
    values = {("a", 0.0): (1.0, 2.0, 3.0), ("a", 1.0): (4.0, 8.0), ("b", 0.0): (5.0,)}
    pooled = quantities.Pooled(values, comparisons=4)
    squares = 2.0 + 8.0  # around the means, with 2 + 1 degrees of freedom
    error = np.sqrt(squares / 3 * (1 / 3 + 1 / 2))
    reach = scipy_stats.t.ppf(1 - 0.025 / 4, 3) * error
    interval = pooled.contrast({("a", 1.0): 1.0, ("a", 0.0): -1.0})
    np.testing.assert_allclose(interval, [4, 4 - reach, 4 + reach])
    assert pooled.contrast({("a", 2.0): 1.0}) is None
    alone = quantities.Pooled({("a", 0.0): (1.0,)}, 1).contrast({("a", 0.0): 1.0})
    assert alone.mean == 1
    assert not alone.exists


def test_intervals_of_many_draws_hold_together_as_often_as_they_say():
    random, missed = np.random.default_rng(0), 0
    for _ in range(2000):
        values = {("a", float(i)): tuple(random.normal(size=3)) for i in range(5)}
        pooled = quantities.Pooled(values, comparisons=4)
        contrasts = [{("a", float(i)): 1.0, ("a", 0.0): -1.0} for i in range(1, 5)]
        ends = [pooled.contrast(contrast) for contrast in contrasts]
        missed += any(not interval.low <= 0 <= interval.high for interval in ends)
    assert missed / 2000 < 0.05


def verdicts(measured):
    return {c.statement: c.judged(measured, len(claims.CLAIMS))[1] for c in claims.CLAIMS}


def test_the_papers_own_numbers_make_its_claims_of_errors_hold():
    of_errors = [
        verdict
        for claim, verdict in zip(
            claims.CLAIMS, verdicts(made(as_in_the_paper)).values(), strict=True
        )
        if claim.source in ("Fig. 2", "Fig. 3") and "end to end they" not in claim.statement
    ]
    assert of_errors == [claims.HOLDS] * 10


def test_other_numbers_make_them_fail_and_close_ones_leave_them_open():
    same = verdicts(made(lambda _run, _lam: 0.3))
    assert same["error of one network of 1,024 units"] == claims.FAILS
    independent = next(name for name in same if name.startswith("independent training"))
    assert same[independent] == claims.OPEN
    worse = verdicts(made(lambda run, lam: 0.3 if (run, lam) == (claims.SMALL, 1) else 0.2))
    assert worse["end to end they almost match it: difference"] == claims.FAILS
    reverse = verdicts(made(lambda _run, lam: 0.3 + 0.1 * lam))
    assert reverse[independent] == claims.FAILS


def test_what_was_not_measured_is_said():
    nothing = verdicts(Measured([], []))
    assert set(nothing.values()) == {claims.MISSING}
    some = made(as_in_the_paper, runs=(claims.SMALL,))
    assert verdicts(some)["error of one network of 1,024 units"] == claims.MISSING


@pytest.mark.parametrize("measured", [made(as_in_the_paper), made(as_in_the_paper, trials=1)])
def test_tables_have_no_empty_cells(measured):
    for table in report.tables(measured).values():
        assert "nan" not in table
        assert "|  |" not in table


def test_a_figure_has_no_empty_panel():
    measured = made(as_in_the_paper)
    assert len(drawing.draw(measured).axes) == 4  # nothing was dropped
    alone = Measured([row for row in measured.lanes if row["run"] == claims.LARGE], [])
    with style.of():
        figure = drawing.draw(alone)
    assert [ax.get_title() for ax in figure.axes] == ["Fig. 3"]


def test_claims_judged_elsewhere_have_a_verdict_each():
    rows = elsewhere.rows()
    assert all(len(row) == len(elsewhere.HEAD) and all(row) for row in rows)
    assert len({row[1] for row in rows}) == len(rows)


def test_the_page_holds_what_the_analysis_makes_of_the_tables():
    page = PAGE.read_text("utf-8")
    made = report.tables(lanes.load(TABLES)) | image_report.tables(image_lanes.load(TABLES))
    assert written(page, made) == page, (
        "python runs/studies/reproduction.py report --page docs/reproduction.md"
    )


@pytest.mark.parametrize(
    ("name", "load"), [("paper", lanes.load), ("paper-images", image_lanes.load)]
)
def test_the_tables_are_of_the_study(name, load):
    study = studies.find(name)
    for row in load(TABLES).lanes:
        recipe = study.runs[row["run"]]
        index = recipe.lam.index(float(row["lam"]))
        assert row["rate"] == f"{recipe.first_lr(index):g}"
        assert int(row["trial"]) < recipe.trials
        assert int(row["epochs"]) == recipe.train.epochs
