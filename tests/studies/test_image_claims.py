"""The study of capacity and depth on images: outcomes by hand, rows of a run, and verdicts."""

import re

import numpy as np
import pytest

import jtdiag
from jtdiag import names
from jtdiag.recipe.toml import from_table
from jtdiag_probes.filters import first_layer
from reproduction_study import claims, image_claims, image_drawing, image_lanes, image_report
from reproduction_study.lanes import Measured

CHANCE = 0.9
RECIPE = {
    "lam": [0, 1],
    "trials": 1,
    "data": {"val": 20},
    "members": {"arch": "conv", "count": 3, "filters": [2, 3], "strides": [1, 1]},
    "train": {"epochs": 3, "batch": 20, "lr": 0.1},
    "keep": {"splits": ["test"], "outputs": ["best"], "checkpoints": ["best"]},
    "engine": {"device": "cpu", "threads": 1},
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([0.3, 0.4, 0.4], image_lanes.ALONE),
        ([0.31, 0.7, 0.8], image_lanes.DOMINATED),
        ([0.6, 0.7, 0.8], image_lanes.CODEPENDENT),
    ],
)
def test_what_becomes_of_members_is_judged_by_their_share_of_the_skill(members, expected):
    ensemble, rows = np.array([0.9, 0.3, 0.3, 0.3]), np.full((4, 3), 0.9)
    rows[1] = [0.3, 0.4, 0.4] if expected != image_lanes.ALONE else [0.6, 0.7, 0.8]
    rows[2:] = members
    assert image_lanes.outcome(ensemble, rows, CHANCE) == (expected, 2)
    assert image_lanes.outcome(ensemble[2:], rows[2:], CHANCE) == (expected, 0)


def test_an_ensemble_near_chance_has_not_learned():
    ensemble = np.array([0.3, 0.7, 0.9])
    outcome = image_lanes.outcome(ensemble, np.full((3, 2), 0.9), CHANCE)
    assert outcome == (image_lanes.NOT_LEARNT, 1)


@pytest.mark.slow
def test_rows_hold_what_the_run_holds(tmp_path):
    random = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = (random.random((120, 8, 8, 1)) * 60 + 60 * y[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    table = RECIPE | {"data": {"name": str(tmp_path / "data.npz"), "val": 20}}
    run = jtdiag.train(from_table(table), tmp_path / "run")
    rows = list(image_lanes.lane_rows(run))
    assert [row["lam"] for row in rows] == ["0", "1"]
    for lane, row in zip(run.lanes, rows, strict=True):
        test = run.metrics().isel({names.LAM: lane.lam_index, names.TRIAL: 0})
        error = test.sel({names.SPLIT: names.TEST})[names.ENSEMBLE_ERROR].values[-1]
        assert float(row["test_ensemble_last"]) == pytest.approx(error, abs=6e-6)
        weights = run.parameter(lane, run.chosen_epoch(lane), first_layer.find(run))
        strongest = [max(np.linalg.norm(f) for f in member) for member in weights]
        expected = np.median(strongest) / max(strongest)
        assert float(row["strong_filters"]) == pytest.approx(expected, abs=6e-6)


def lanes(error):
    """Lanes whose test error is `error(run, lam)`, with a spread of 0.1 points over trials."""
    rows = []
    for run in (
        "conv-w4",
        "conv-w8",
        "conv-w16",
        "conv-d2",
        "conv-d8",
        "densenet-10",
        "densenet-16",
    ):
        for lam in (0, 0.5, 0.9, 1):
            for trial in range(3):
                value = error(run, lam) + 0.001 * (trial - 1)
                columns = ("test_ensemble_best", "test_ensemble_last", "test_median_last")
                row = dict.fromkeys(columns, f"{value:.5f}")
                row["test_lowest_last"] = f"{value + 0.002 * trial:.5f}"
                row |= {"run": run, "lam": f"{lam:g}", "trial": str(trial), "members": "4"}
                row |= {"strong_filters": f"{0.2 + 0.01 * trial:.2f}", "since": "2"}
                row |= {f"{rule}_from": "3" if lam == 1 else "0" for rule in image_lanes.RULES}
                rows.append(row | {"outcome": image_lanes.ALONE})
    return Measured(rows, [])


def verdicts(measured):
    number = len(image_claims.CLAIMS)
    return [claim.judged(measured, number)[1] for claim in image_claims.CLAIMS]


def as_in_the_paper(run, lam):
    large = run in ("conv-w16", "conv-d8", "densenet-10", "densenet-16")
    return 0.4 + (0.1 * lam - 0.1 * (lam == 0.5) if large else -0.1 * lam)


def test_numbers_as_in_the_paper_make_its_claims_hold_and_others_make_them_fail():
    assert verdicts(lanes(as_in_the_paper)) == [claims.HOLDS] * len(image_claims.CLAIMS)
    reverse = verdicts(lanes(lambda run, lam: 0.8 - as_in_the_paper(run, lam)))
    assert reverse[:7] == [claims.FAILS] * 7
    assert verdicts(Measured([], [])) == [claims.MISSING] * len(image_claims.CLAIMS)


def test_tables_say_what_became_of_members_and_which_rules_fired():
    tables = image_report.tables(lanes(as_in_the_paper))
    assert (
        "3 good on their own (2, 2, 2) | dominance in 3 from epoch 3 on" in tables["image-members"]
    )
    assert "3 good on their own (2, 2, 2) | none" in tables["image-members"]
    assert not any(re.search(r"\bnan\b|\|  \|", table) for table in tables.values())


def test_a_figure_shows_widths_depths_and_members():
    figure = image_drawing.draw(lanes(as_in_the_paper))
    assert [len(ax.get_legend().get_texts()) for ax in figure.axes] == [3, 3, 3]
    width_4 = figure.axes[0].lines[0]
    assert list(width_4.get_xdata()) == [0, 1, 3, 6]  # places of λ = 0, 0.5, 0.9, 1
    np.testing.assert_allclose(width_4.get_ydata(), [40, 35, 31, 30])
