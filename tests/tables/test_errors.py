"""The table of test errors, of runs and of a study that is trained here."""

from contextlib import nullcontext

import numpy as np
import pytest
from scipy.stats import sem

from jtdiag.engine.progress import NullListener
from jtdiag.errors import StoreError
from jtdiag.probing.results import load
from jtdiag.probing.running import probe as ask
from jtdiag.recipe import studies
from jtdiag.store.run import Run
from jtdiag.tables.errors import errors
from jtdiag.tables.table import Number
from jtdiag.testing import toy_data
from jtdiag.workflows import study

STUDY = """
name = "toys"
trials = 2
data = {{ name = "{data}", val = 20 }}
members = {{ arch = "mlp", count = 2, hidden = [4] }}
train = {{ epochs = 1, batch = 16 }}
keep = {{ splits = ["val", "test"] }}
engine = {{ device = "cpu", threads = 1 }}
[runs.joint]
lam = [0, 1]
[runs.bagging]
scheme = "bagging"
lam = 0
[runs.single]
scheme = "single"
lam = 1
members = {{ count = 1, hidden = [8] }}
[runs.stacked]
scheme = "stacking"
lam = 0
seed = 5
"""


def test_errors_are_those_of_the_run_in_percent(probed_run):
    table = errors([probed_run.path])
    [(name, cells)] = table.rows
    assert (name, table.columns) == ("toy", ("λ = 0", "λ = 0.9", "λ = 1"))
    metrics = probed_run.metrics()["ensemble_error"].sel(split="test")
    for lam, cell in zip((0.0, 0.9, 1.0), cells, strict=True):
        trials = []
        for lane in probed_run.lanes:
            if probed_run.lam(lane) == lam:
                by_epoch = metrics.isel(lam=lane.lam_index, trial=lane.trial)
                trials.append(100 * float(by_epoch.sel(epoch=probed_run.chosen_epoch(lane))))
        assert cell == Number(pytest.approx(np.mean(trials)), pytest.approx(sem(trials)))
    assert "2 trials" in table.caption
    assert probed_run.recipe_hash in table.origin


@pytest.mark.slow
def test_runs_with_other_lambdas_have_empty_cells(probed_run, small_run):
    ask(small_run, "performance")
    table = errors([probed_run.path, small_run.path])
    assert table.columns == ("λ = 0", "λ = 0.9", "λ = 1")
    assert [cell is None for cell in table.rows[1][1]] == [True, False, False]


def test_a_run_without_a_result_is_one_line(small_run):
    with pytest.raises(StoreError, match="has no result 'performance'. First run: jtdiag probe"):
        errors([small_run.path])


@pytest.mark.slow
def test_a_study_is_a_row_with_a_column_for_each_scheme(tmp_path):
    toy_data(tmp_path / "toy.npz")
    file = tmp_path / "toys.toml"
    file.write_text(STUDY.format(data=tmp_path / "toy.npz"), "utf-8")
    folder = tmp_path / "fashion"
    study.run_study(studies.read(file), folder, lambda: nullcontext(NullListener()))
    table = errors([folder])
    assert table.columns == (
        "λ = 0", "λ = 1", "Bagging", "Single network", "Stacking (joint)", "Stacking (stacked)",
    )  # fmt: skip
    [(name, cells)] = table.rows
    assert name == "fashion"
    sources = (
        ("joint", "performance", "ensemble_error", 0),
        ("joint", "performance", "ensemble_error", 1),
        ("bagging", "performance", "ensemble_error", 0),
        ("single", "performance", "ensemble_error", 1),
        ("joint", "stacking", "stacked_error", 0),
        ("stacked", "stacking", "stacked_error", 0),
    )
    for cell, (run, probe, variable, lam) in zip(cells, sources, strict=True):
        trials = 100 * load(Run(folder / run), probe)[variable].sel(lam=lam, split="test").values
        assert cell == Number(pytest.approx(trials.mean()), pytest.approx(sem(trials)))
    for run in ("joint", "bagging", "single", "stacked"):
        assert Run(folder / run).recipe_hash in table.origin


WIDTHS = """
name = "widths"
lam = [0, 1]
trials = 1
data = {{ name = "{data}", val = 20 }}
train = {{ epochs = 1, batch = 16 }}
keep = {{ splits = ["val", "test"] }}
engine = {{ device = "cpu", threads = 1 }}
members = {{ arch = "mlp", count = 2, hidden = [4] }}
[runs.narrow]
[runs.wide]
members = {{ hidden = [16] }}
[runs.single]
scheme = "single"
lam = 1
members = {{ count = 1 }}
"""


@pytest.mark.slow
def test_a_study_of_two_joint_runs_has_a_row_for_each_run(tmp_path):
    toy_data(tmp_path / "toy.npz")
    file = tmp_path / "widths.toml"
    file.write_text(WIDTHS.format(data=tmp_path / "toy.npz"), "utf-8")
    folder = tmp_path / "widths"
    study.run_study(studies.read(file), folder, lambda: nullcontext(NullListener()))
    table = errors([folder])
    assert table.columns == ("λ = 0", "λ = 1", "Stacking", "Single network")
    rows = dict(table.rows)
    assert list(rows) == ["narrow", "wide", "single"]
    for name, lams in (("narrow", (0, 1)), ("wide", (0, 1)), ("single", (1,))):
        on_test = load(Run(folder / name), "performance")["ensemble_error"].sel(split="test")
        expected = [100 * float(on_test.sel(lam=lam).mean("trial")) for lam in lams]
        in_order = (*rows[name][:2], rows[name][3])
        actual = [cell.mean for cell in in_order if cell is not None]
        assert actual == pytest.approx(expected)
    together = errors([folder, folder / "wide"])
    assert [name for name, _ in together.rows] == [
        "widths narrow", "widths wide", "widths single", "wide",
    ]  # fmt: skip
