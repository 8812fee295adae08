"""Runs of format 2 open in this version; those of a newer one are refused, with the reason."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from jtdiag import files, names
from jtdiag.commands import main
from jtdiag.errors import StoreError
from jtdiag.probing import findings, result_seal, results
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.store import checksums, formats, lanes
from jtdiag.store.run import Run
from jtdiag.workflows import check as checking

ARCHIVE = Path(__file__).parent / "fixtures" / "run-format-2.tar.xz"
PROBED = (
    *("alerts", "calibration", "capacity", "collusion", "combiners", "conditioning", "diversity"),
    *("dominance", "filters", "gradients", "performance", "robustness", "specialisation"),
    *("stacking", "variance", "votes"),
)
NEXT = 3


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The folder with the run and its data, as they were packed; nobody changes them."""
    folder = tmp_path_factory.mktemp("format-2")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def run(unpacked, tmp_path, monkeypatch) -> Run:
    """A copy of the run, in the current folder."""
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Run("run")


def invoke(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exc_info
    return ran.exit_code, ran.output


# --- of this format -------------------------------------------------------------------------------


def test_nothing_in_it_is_damaged(unpacked):
    checked = checking.check(unpacked / "run")
    assert (checked.damages, checked.results, checked.store.by_place) == ((), len(PROBED), True)
    run = Run(unpacked / "run")
    assert run.done
    assert formats.of_store(run.path / "store.zarr") == 2


IN_FLOAT32 = ("robustness",)
"""Probes whose sums another processor rounds otherwise."""
BY_QUADRATURE = "tangent_redundancy"
"""Beginning of variables whose error of quadrature is larger than what single precision changes."""
SINCE = {"last_epoch"}
"""Variables that results have had since."""
FROM_RANDOM_VECTORS = ("hessian_negative", "hessian_min_residual")
"""A number of Ritz values and a residual, which depend on the random vectors of this version."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBED)
def test_a_probe_measures_the_numbers_that_are_stored(run, name):
    then, now = results.load(run, name), PROBES.find(name).ask(run, Options())
    assert now.data_vars.keys() - then.data_vars.keys() <= SINCE
    now = now.drop_vars(names.OUTPUT, errors="ignore")  # stored since: the names of the classes
    if "rule" in then.dims:
        now = now.sel(rule=then["rule"])  # without rules that there were not yet
    for variable, values in then.data_vars.items():
        if variable in FROM_RANDOM_VECTORS:
            np.testing.assert_allclose(now[variable], values, rtol=0, atol=1)
        elif values.dtype.kind == "f":
            rtol, atol = (1e-5, 1e-8) if name in IN_FLOAT32 else (1e-6, 1e-9)
            rtol, atol = (1e-4, 1e-5) if variable.startswith(BY_QUADRATURE) else (rtol, atol)
            xr.testing.assert_allclose(now[variable], values, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(now[variable], values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("check", "run"),
        ("watch", "run", "--once", "--plain"),
        ("table", "run"),
        ("compare", "run", "run"),
        ("plot", "run", "errors-by-epoch"),
        ("probe", "run", "dominance", "performance"),
        ("report", "run", "--no-ask"),
        ("train", "run", "--resume"),
    ],
    ids=" ".join,
)
def test_every_command_opens_it(run, command):
    status, output = invoke(*command)
    assert status == 0, output


# --- of the next format ---------------------------------------------------------------------------


def raise_format(run: Path) -> None:
    """Turn a run into one of the next format: a field of the recipe is new as well."""
    attributes = run / "store.zarr" / "zarr.json"
    document = json.loads(attributes.read_text())
    document["attributes"]["format"] = NEXT
    attributes.write_text(json.dumps(document))
    record = run / lanes.FOLDER / checksums.CREATED
    created = files.read_json(record)
    created["metadata"]["zarr.json"] = files.digest(attributes)
    files.write_json(record, created)
    recipe = run / "recipe.toml"
    recipe.write_text("new_field = 1\n" + recipe.read_text())


@pytest.mark.parametrize(
    "command",
    [
        ("check", "run"),
        ("check", "run", "--repair"),
        ("watch", "run", "--once"),
        ("table", "run"),
        ("compare", "run", "run"),
        ("plot", "run"),
        ("probe", "run"),
        ("report", "run"),
        ("train", "run", "--resume"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_run_of_the_next_format_in_one_line(run, command):
    raise_format(run.path)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert invoke(*command) == (
        1,
        "Error: run: this run has format 3; this version of jtdiag reads formats up to 2: install "
        "a newer jtdiag.\n",
    )
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_a_newer_run_whose_checksums_are_recorded_in_another_way_is_newer_not_damaged(run):
    raise_format(run.path)
    (run.path / lanes.FOLDER / checksums.CREATED).write_text("another format")
    with pytest.raises(formats.NewerFormatError, match="this run has format 3"):
        Run(run.path)


def test_a_format_that_was_changed_by_accident_is_damage(run):
    attributes = run.path / "store.zarr" / "zarr.json"
    text = attributes.read_text()
    assert '"format": 2' in text
    attributes.write_text(text.replace('"format": 2', '"format": 3'))
    with pytest.raises(StoreError, match="was changed after the run was created"):
        Run(run.path)


def newer_result(run: Run, name: str) -> None:
    path = results.path_of(run, name)
    metadata = path / "zarr.json"
    document = json.loads(metadata.read_text())
    document["attributes"]["format"] = NEXT
    metadata.write_text(json.dumps(document))
    result_seal.write(path)


@pytest.mark.slow
def test_a_newer_result_is_not_read_and_measured_again_by_what_measures(run):
    newer_result(run, "performance")
    reason = (
        "Error: run/results/performance.zarr: this result has format 3; this version of jtdiag "
        "reads formats up to 2: install a newer jtdiag.\n"
    )
    for command in (("table",), ("plot", "error-against-lambda"), ("report", "--no-ask")):
        status, output = invoke(command[0], "run", *command[1:])
        assert (status, output.splitlines(keepends=True)[-1]) == (1, reason)
    assert invoke("check", "run", "--repair") == (1, reason)
    assert invoke("probe", "run", "performance")[0] == 0
    assert invoke("table", "run")[0] == 0


def test_a_result_whose_seal_is_newer_is_newer_not_damaged(run):
    path = result_seal.path_of(results.path_of(run, "votes"))
    files.write_json(path, {"format": NEXT, "hashes": "in another way"})
    with pytest.raises(formats.NewerFormatError, match="this result has format 3"):
        results.load(run, "votes")


@pytest.mark.slow
def test_newer_findings_are_refused_and_kept(run):
    path = run.path / findings.LOG
    first, *rest = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    first |= {"format": NEXT, "new": 1}
    del first[files.CHECKSUM]
    lines = [json.dumps(fields) for fields in (files.with_checksum(first), *rest)]
    path.write_text("\n".join([*lines, ""]))
    before = path.read_bytes()
    for command in ("probe", "report", "check"):
        arguments = ("dominance",) if command == "probe" else ()
        status, output = invoke(command, "run", *arguments)
        assert status == 1
        assert output.splitlines()[-1].startswith(
            "Error: run/findings.jsonl: this list of findings has format 3; this version of "
            "jtdiag reads formats up to 2: install a newer jtdiag."
        )
    assert path.read_bytes() == before
