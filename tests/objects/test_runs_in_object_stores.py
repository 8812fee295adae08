"""Runs in an object store: the same bytes as in a folder, read and probed alike."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import jtdiag
from jtdiag.commands import main
from jtdiag.commands.watch import ALERTED
from jtdiag.engine.train import train
from jtdiag.errors import RecipeError, StoreError
from jtdiag.objects import mirror
from jtdiag.objects.object_folder import ObjectFolder
from jtdiag.probing import findings
from jtdiag.recipe import toml
from jtdiag.store.run import Run

pytestmark = pytest.mark.slow


def temporary(address):
    return [name for name in ObjectFolder(address).versions() if mirror.is_temporary(name)]


def large(run):
    names = (
        path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()
    )
    return {name for name in names if mirror.LARGE.fullmatch(name)}


def test_the_objects_of_a_run_are_the_files_of_one_in_a_folder(
    recipe, address, in_folder, downloaded, assert_same_files
):
    run = train(recipe, address)
    assert run.done
    assert_same_files(downloaded(address), in_folder.path)
    assert temporary(address) == []
    assert [*(mirror.cache() / "training").iterdir()] == []


def test_chunks_are_copied_when_they_are_read(recipe, address, in_folder, another_machine):
    train(recipe, address)
    another_machine()
    run = Run(address)
    xr.testing.assert_identical(run.metrics(), in_folder.metrics())
    assert large(run) == set()
    lane = run.lanes[1]
    for name, values in in_folder.checkpoint(lane, 2).items():
        np.testing.assert_array_equal(run.checkpoint(lane, 2)[name], values)
    assert {name.split("/c/")[1][:5] for name in large(run)} == {"1/0/2"}
    xr.testing.assert_identical(run.tree.load(), in_folder.tree.load())


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AZURE_STORAGE_ACCOUNT_NAME"])
def test_copies_of_another_server_or_account_are_elsewhere(address, monkeypatch, variable):
    objects = ObjectFolder(address)
    here = mirror.Mirror(objects).path
    assert mirror.Mirror(objects).path == here
    monkeypatch.setenv(variable, "another")
    assert mirror.Mirror(objects).path != here


def test_a_copy_that_is_damaged_here_is_copied_again(recipe, address, in_folder):
    run = train(recipe, address)
    lane = run.lanes[0]
    expected = run.checkpoint(lane, 1)
    for name in large(run):
        (run.path / name).write_bytes(b"damaged")
    for name, values in Run(address).checkpoint(lane, 1).items():
        np.testing.assert_array_equal(values, expected[name])


def test_results_are_those_of_a_folder_and_are_found_on_another_machine(
    recipe, address, in_folder, another_machine, tmp_path, monkeypatch
):
    folder = shutil.copytree(in_folder.path, tmp_path / "copy")
    train(recipe, address)
    result = jtdiag.probe(address, "dominance")
    expected = jtdiag.probe(folder, "dominance")
    xr.testing.assert_equal(result, expected)
    another_machine()
    run = Run(address)
    monkeypatch.setattr("jtdiag.probing.running.measure", None)  # would be an error
    xr.testing.assert_equal(jtdiag.probe(run, "dominance"), result)
    assert [f.sentence for f in findings.read(run.path)] == [
        f.sentence for f in findings.read(folder)
    ]


def test_findings_that_two_machines_write_at_the_same_time_are_all_kept(
    recipe, address, another_machine
):
    train(recipe, address)
    here = Run(address).path
    finding = findings.Finding(probe="a", rule="r", level="info", sentence="A.", number=1)
    other = findings.Finding(probe="b", rule="r", level="info", sentence="B.", number=2)
    findings.record(here, "a", [finding])
    objects, calls = ObjectFolder(address), []

    def change():
        if not calls:  # while this process changes the file, another one replaces the object
            copy = here.parent.parent / "elsewhere"
            copy.mkdir()
            findings.record(copy, "b", [other])
            objects.overwrite(findings.LOG, copy / findings.LOG)
        calls.append(1)
        findings._write(here, "a", [finding])

    mirror.update(here / findings.LOG, change)
    assert len(calls) == 2
    assert [f.sentence for f in findings.read(Run(address).path)] == ["B.", "A."]


def test_parts_are_trained_into_one_run(
    recipe, address, in_folder, downloaded, another_machine, assert_same_files
):
    first = train(recipe, address, part="1/2")
    assert not first.done
    another_machine()
    assert train(recipe, address, part="2/2").done
    assert_same_files(downloaded(address), in_folder.path)
    with pytest.raises(StoreError, match=rf"{address}: part 1/2 has begun .*resume=True"):
        train(recipe, address, part="1/2")


def test_what_cannot_be_done_in_an_object_store_is_refused(recipe, address, in_folder):
    train(recipe, address)
    with pytest.raises(StoreError, match=rf"{address} already contains a run"):
        train(recipe, address)
    larger = toml.from_table(toml.to_table(recipe) | {"trials": 2})
    with pytest.raises(StoreError, match=rf"{address}: lanes cannot be added"):
        train(larger, address, resume=True)
    with pytest.raises(RecipeError, match=rf"{address}: workers of a cluster write into a folder"):
        train(recipe, address, resume=True, client=object())
    assert Run(address).done


def test_the_examples_of_the_manual_run(recipe, server, environment, in_folder):
    server.create("bucket")
    page = Path(__file__).parents[2] / "docs" / "object-stores.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    known = {"jtdiag": jtdiag, "recipe": recipe}
    for block in blocks:
        exec(block.replace("s3://", f"{server.scheme}://"), known)
    assert known["run"].done
    local = xr.open_datatree(in_folder.path / "store.zarr", engine="zarr")
    xr.testing.assert_identical(known["tree"], local)


@pytest.fixture
def jtdiag_command(environment):
    def call(*arguments, status=0):
        outcome = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        assert outcome.exit_code == status, outcome.output
        assert str(mirror.cache()) not in outcome.output
        return outcome.output

    return call


def test_commands_take_addresses_and_print_them(
    recipe, address, in_folder, tmp_path, jtdiag_command
):
    (tmp_path / "recipe.toml").write_text(toml.to_toml(recipe), encoding="utf-8")
    text = jtdiag_command("train", str(tmp_path / "recipe.toml"), "--out", address)
    assert f"Training finished: {address}" in text
    assert f"jtdiag report {address}" in text
    assert f"{address}/report.html" in jtdiag_command("report", address)
    assert f"{address}/figures/errors-by-epoch.png" in jtdiag_command(
        "plot", address, "errors-by-epoch", "--format", "png"
    )
    assert {"report.html", "figures/errors-by-epoch.png", "results/dominance.json"} <= {
        *ObjectFolder(address).versions()
    }
    watched = jtdiag_command("watch", "--once", "--plain", address, status=ALERTED)
    assert "λ = 1, trial 0, epoch 3" in watched
    assert "toy" in jtdiag_command("table", address, "--format", "csv")
    assert jtdiag_command("check", address)
    assert jtdiag_command("compare", address, address)
    jtdiag_command("train", address, "--resume", "-q")
