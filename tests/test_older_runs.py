"""Runs and results of earlier versions open, and give the numbers that they gave then."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.probing import findings, results
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import Run
from jtdiag_probes.robustness import subset_means

ARCHIVE = Path(__file__).parent / "fixtures" / "run-before-rooms.tar.xz"
MEASURED_THEN = (
    "alerts",
    "calibration",
    "capacity",
    "collusion",
    "combiners",
    "conditioning",
    "diversity",
    "dominance",
    "filters",
    "gradients",
    "performance",
    "robustness",
    "stacking",
    "variance",
    "votes",
)


CHANGED = {
    # κ⁺ of examples with a saturated member was infinite; the exponents were fitted to it, to all
    # lanes together; the quadrature of the tangent redundancy had not converged.
    "conditioning": {
        *("kappa", "kappa_q25", "kappa_q75", "kappa_growth", "kappa_limit", "kappa_singular"),
        *("grid_kappa", "exponent", "exponent_low", "exponent_high"),
        *("tangent_redundancy", "tangent_redundancy_se"),
        # Lanczos begins with other random vectors; the eigenvalue agrees within the residuals.
        *("hessian_min", "hessian_min_residual", "hessian_negative"),
    },
    # That version dropped none of three members where a fifth of them was to be dropped.
    "collusion": {"drop_rise", "drop_excess", "drop_rise_se", "predicted_rise"},
    # Rules wait for members that still learn, and dominance compares leaders with the others.
    "alerts": {"number", "spoke", "first_spoke"},
}
"""Variables of results that were wrong in that version, or had another definition."""
GONE = {
    # A bootstrap of few trials, replaced by the set of the best λs.
    "performance": {"optimum_low", "optimum_high"},
    "capacity": {"optimum_low", "optimum_high", "best_probability"},
}
"""Variables that the probe no longer has."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The folder of the older run, as that version left it; nobody changes it."""
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "run"


@pytest.fixture
def older(unpacked, tmp_path) -> Run:
    """A copy of the older run, to be changed."""
    return Run(shutil.copytree(unpacked, tmp_path / "run"))


@pytest.mark.slow
def test_its_lanes_recipe_and_hash_are_read(unpacked):
    run = Run(unpacked)
    assert run.done
    assert run.recipe.lam == (0.0, 0.9, 1.0)
    assert len(run.lanes) == 6
    assert run.recipe_hash == "aee1bef046be74ac"
    assert run.check() > 0


def test_its_findings_are_read(unpacked):
    stored = findings.read(unpacked)
    assert {finding.probe for finding in stored} <= set(MEASURED_THEN)
    assert any(finding.level == "alert" for finding in stored)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED_THEN)
def test_a_probe_measures_the_numbers_of_that_version(unpacked, name, monkeypatch):
    monkeypatch.setattr(subset_means, "LARGEST", 0)  # that version drew subsets for every M
    run = Run(unpacked)
    then = results.load(run, name)
    now = PROBES.find(name).ask(run, Options())
    gone = GONE.get(name, set())
    assert then.data_vars.keys() - now.data_vars.keys() == gone
    for variable in then.data_vars.keys() - gone - CHANGED.get(name, set()):
        # Of sums in float32, which another processor rounds otherwise.
        assert_same(then[variable], now[variable], rtol=1e-5 if name == "robustness" else 1e-6)
    if name == "conditioning":
        residuals = then["hessian_min_residual"] + now["hessian_min_residual"]
        assert (abs(then["hessian_min"] - now["hessian_min"]) <= residuals).all()


def assert_same(then: xr.DataArray, now: xr.DataArray, rtol: float) -> None:
    """Compare values, up to the rounding of another processor's sums, and all labels."""
    assert then.dims == now.dims
    if "rule" in then.dims:  # rules may be added, after those of that version
        now = now.isel(rule=slice(then.sizes["rule"]))
    for dim in then.dims:
        if dim in then.coords:
            assert_equal(then[dim].values, now[dim].values, rtol=1e-14)
    assert_equal(then.values, now.values, rtol=rtol)


def assert_equal(then: np.ndarray, now: np.ndarray, rtol: float) -> None:
    """Compare numbers up to a relative difference, and anything else exactly."""
    if then.dtype.kind == "f":
        np.testing.assert_allclose(now, then, rtol=rtol, atol=1e-9)
    else:
        np.testing.assert_array_equal(now, then)


def command(*arguments: object) -> str:
    ran = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.mark.slow
def test_figures_and_tables_are_made_of_its_stored_results(older):
    command("plot", older.path)
    figures = {path.stem for path in (older.path / "figures").glob("*.png")}
    assert {"error-against-lambda", "errors-by-epoch", "kappa-against-lambda"} <= figures
    table = command("table", older.path)
    for number in (r"\num{11.90(10)}", r"\num{8.50(70)}", r"\num{9.40(240)}"):
        assert number in table


@pytest.mark.slow
def test_its_report_is_made(older):
    command("report", older.path)
    page = (older.path / "report.html").read_text("utf-8")
    assert "8.5\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.7" in page


@pytest.mark.slow
def test_it_is_probed_again(older):
    command("probe", older.path, "performance", "dominance", "--force")
    fresh = [name for name in MEASURED_THEN if results.is_fresh(older, PROBES.find(name))]
    assert fresh == ["dominance", "performance"]
