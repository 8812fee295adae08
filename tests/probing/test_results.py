import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import StoreError
from jtdiag.probing import result_seal, results
from jtdiag.probing.code_hash import code_of
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe as ask
from jtdiag.store.run import Run


def save(run, value, name="foreign"):
    dataset = xr.Dataset({"lanes": ("lam", np.full(3, float(value)))}, attrs={"mine": 1})
    results.save(run, name, dataset, {key: key for key in results.ORIGIN})
    return dataset


def files_of_results(run):
    return sorted(path.name for path in (run.path / "results").iterdir())


@pytest.fixture
def run(small_run):
    return small_run


# --- on disk --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diversity", "dominance", "performance"])
def test_a_result_comes_back_with_units_meanings_and_origin(toy_copy, name):
    run, probe = toy_copy, PROBES.find(name)
    measured = probe.ask(run, Options())
    made_from = results.origin(run, probe)
    results.save(run, name, measured, made_from)
    stored = results.load(run, name)
    xr.testing.assert_equal(stored, measured)
    assert {n: v.attrs for n, v in stored.items()} == {n: v.attrs for n, v in measured.items()}
    assert stored.attrs == measured.attrs | made_from | {
        "probe": name,
        "jtdiag": results.version("jtdiag"),
        "date": stored.attrs["date"],
        "format": result_seal.FORMAT,
    }
    age = datetime.now(UTC) - datetime.fromisoformat(stored.attrs["date"])
    assert timedelta(seconds=-1) < age < timedelta(hours=1)
    assert stored.attrs["recipe_hash"] == run.recipe_hash


def test_a_result_is_an_ordinary_zarr_that_needs_no_jtdiag(run):
    save(run, 7)
    with xr.open_zarr(run.path / "results" / "foreign.zarr", consolidated=False) as result:
        assert result["lanes"].values.tolist() == [7, 7, 7]
        assert result.attrs["mine"] == 1


def test_the_files_of_a_result_are_those_that_xarray_writes(run, tmp_path):
    columns = {
        "number": ("lam", np.array([np.nan, 1, 2])),
        "count": ("lam", np.arange(3)),
        "zero": ((), 0),
        "word": ("lam", np.array(["a", "λ", ""], np.dtypes.StringDType())),
    }
    coords = {"lam": [0.0, 0.5, 1.0], "split": np.array(["val", "test"], np.dtypes.StringDType())}
    dataset = xr.Dataset(columns, coords, {"mine": 1})
    results.save(run, "foreign", dataset, {})
    whole = dataset.assign_attrs(results.load(run, "foreign").attrs)
    whole.to_zarr(tmp_path / "whole.zarr", zarr_format=3, consolidated=False)
    assert contents(run.path / "results" / "foreign.zarr") == contents(tmp_path / "whole.zarr")


def contents(folder):
    """Every file of a folder, by its path in it."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_saving_changes_no_attributes_of_what_was_measured(run):
    assert save(run, 7).attrs == {"mine": 1}


def test_a_missing_result_is_one_line_that_says_which_probe_to_run(run):
    with pytest.raises(StoreError) as caught:
        results.load(run, "dominance")
    assert str(caught.value) == (
        f"{run.path} has no result 'dominance'. First run: jtdiag probe {run.path} dominance"
    )


def test_a_newer_result_takes_the_place_of_an_older_one(run):
    save(run, 1)
    save(run, 2)
    assert results.load(run, "foreign")["lanes"].values.tolist() == [2, 2, 2]
    assert files_of_results(run) == ["foreign.json", "foreign.zarr"]


def test_a_failed_save_leaves_the_older_result_intact(run, monkeypatch):
    save(run, 1)
    before = results.load(run, "foreign")
    write = Path.write_bytes
    written = []

    def half(self, content):
        write(self, content)
        written.append(self)
        if self.name == "zarr.json" and self.parent.name == "lanes":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        with pytest.raises(StoreError, match=r"cannot be written: .*No space left"):
            save(run, 2)
    assert ".foreign.zarr." in str(written[0])
    assert results.load(run, "foreign").identical(before)
    save(run, 3)  # and what was left half written is in nobody's way
    assert results.load(run, "foreign")["lanes"].values.tolist() == [3, 3, 3]
    assert files_of_results(run) == ["foreign.json", "foreign.zarr"]


def flip(path, place=-1):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def chunk_of(path):
    """A file of the result that holds numbers of its variable."""
    return next(p for p in (path / "lanes").rglob("*") if p.is_file() and p.name != "zarr.json")


DAMAGES = {
    "no metadata": lambda path: (path / "zarr.json").unlink(),
    "no json": lambda path: (path / "zarr.json").write_text("{"),
    "no array": lambda path: (path / "lanes" / "zarr.json").write_text("{"),
    "a file": lambda path: (shutil.rmtree(path), path.write_text("")),
    "half a chunk": lambda path: chunk_of(path).write_bytes(chunk_of(path).read_bytes()[:-5]),
    "an empty chunk": lambda path: chunk_of(path).write_bytes(b""),
    "no chunk": lambda path: chunk_of(path).unlink(),
    "another chunk": lambda path: flip(chunk_of(path)),
    "no variable": lambda path: shutil.rmtree(path / "lanes"),
    "one chunk more": lambda path: shutil.copytree(path / "lanes", path / "more"),
    "no seal": lambda path: path.with_suffix(".json").unlink(),
    "another seal": lambda path: flip(path.with_suffix(".json")),
    "half a seal": lambda path: path.with_suffix(".json").write_text("{"),
    "a seal of nothing": lambda path: path.with_suffix(".json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_one_line_that_says_what_to_do(run, damage):
    save(run, 1)
    DAMAGES[damage](results.path_of(run, "foreign"))
    with pytest.raises(StoreError, match=r"foreign --force$") as caught:
        results.load(run, "foreign")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_not_fresh_and_is_measured_again(run, damage, foreign):
    ask(run, "foreign")
    DAMAGES[damage](results.path_of(run, "foreign"))
    assert not results.is_fresh(run, PROBES.find("foreign"))
    ask(run, "foreign")
    assert results.is_fresh(run, PROBES.find("foreign"))


@pytest.mark.slow
def test_every_flipped_byte_of_a_result_is_noticed(run, foreign):
    ask(run, "foreign")
    folder = run.path / "results"
    unnoticed = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for place in np.linspace(0, len(content) - 1, 12).astype(int):
            flip(path, place)
            if results.is_fresh(run, PROBES.find("foreign")):
                unnoticed.append((path.name, int(place)))
            path.write_bytes(content)
    assert unnoticed in ([], [("foreign.json", len((folder / "foreign.json").read_bytes()) - 1)])
    assert results.is_fresh(run, PROBES.find("foreign"))


def test_a_result_without_a_format_is_read_but_measured_again(run, foreign):
    ask(run, "foreign")
    path = results.path_of(run, "foreign")
    older = results.load(run, "foreign")
    del older.attrs["format"]
    shutil.rmtree(path)
    path.with_suffix(".json").unlink()
    older.to_zarr(path, zarr_format=3, consolidated=False)
    assert results.load(run, "foreign").identical(older)
    assert not results.is_fresh(run, PROBES.find("foreign"))


# --- several processes ----------------------------------------------------------------------------

WRITE = """
import sys
import time
import numpy as np
import xarray as xr
from jtdiag.probing import results
from jtdiag.store.run import Run

run = Run(sys.argv[1])
for i in range(15):
    made = {key: key for key in results.ORIGIN}
    columns = {f"v{j}": ("lam", np.full(3, float(i))) for j in range(8)}
    results.save(run, "foreign", xr.Dataset(columns), made)
    time.sleep(0.05)
"""


@pytest.mark.slow
def test_results_of_probes_that_run_at_the_same_time_are_whole(run):
    save(run, -1)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(run.path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    reads = 0
    try:
        while any(writer.poll() is None for writer in writers):
            result = results.load(run, "foreign")
            assert len(result) in (1, 8)
            assert len({float(variable[0]) for variable in result.values()}) == 1
            reads += 1
    finally:
        errors = [writer.communicate()[1].decode() for writer in writers]
    assert errors == [""] * 3
    assert reads > 0
    assert len(results.load(run, "foreign")) == 8
    assert files_of_results(run) == ["foreign.json", "foreign.zarr"]


# --- fresh or stale -------------------------------------------------------------------------------


def test_a_result_is_fresh_once_it_is_stored(run, foreign):
    probe = PROBES.find("foreign")
    assert not results.is_fresh(run, probe)
    ask(run, "foreign")
    assert results.is_fresh(run, probe)
    assert results.is_fresh(Run(run.path), probe)


@pytest.mark.slow
def test_the_result_of_a_run_that_has_grown_is_stale(warned, foreign):
    warned.seal_up_to(2)
    ask(warned.run, "foreign")
    assert results.is_fresh(warned.run, PROBES.find("foreign"))
    warned.seal(warned.run.lanes[1], 3)
    assert not results.is_fresh(warned.run, PROBES.find("foreign"))


def test_the_result_of_another_recipe_is_stale(run, foreign):
    result = ask(run, "foreign")
    made_from = results.origin(run, PROBES.find("foreign"))
    results.save(run, "foreign", result, made_from | {"recipe_hash": "0123456789abcdef"})
    assert not results.is_fresh(Run(run.path), PROBES.find("foreign"))


def test_the_result_of_other_code_is_stale(run, foreign):
    ask(run, "foreign")
    foreign.write_text(foreign.read_text() + "\n# changed\n")
    assert not results.is_fresh(run, PROBES.find("foreign"))


def test_code_that_a_probe_imports_counts_and_other_code_does_not(run, foreign):
    package = foreign.parent / "somebody"
    room, shared = package / "lanes", package / "shared"
    for folder in (room, shared):
        folder.mkdir(parents=True)
    for folder in (package, room, shared):
        (folder / "__init__.py").write_text("")
    (room / "lanes.py").write_text(foreign.read_text() + "\nfrom somebody.shared import direct\n")
    (shared / "direct.py").write_text("def late():\n    from . import indirect\n")
    (shared / "indirect.py").write_text("VALUE = 1\n")
    (shared / "unused.py").write_text("VALUE = 1\n")
    foreign.write_text("from somebody.lanes.lanes import probe\n")
    try:
        ask(run, "foreign")
        (shared / "unused.py").write_text("VALUE = 2\n")
        assert results.is_fresh(run, PROBES.find("foreign"))
        for changed in (shared / "direct.py", shared / "indirect.py", shared / "__init__.py"):
            before = changed.read_text()
            changed.write_text(before + "# another\n")
            assert not results.is_fresh(run, PROBES.find("foreign"))
            changed.write_text(before)
            assert results.is_fresh(run, PROBES.find("foreign"))
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "somebody"]:
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBES.names())
def test_the_code_of_our_probes_reaches_their_shared_rooms(name):
    source = Path(PROBES.find(name).source)
    reached = {path.parent.name for path in code_of(source)}
    imported = set(re.findall(r"^from jtdiag_probes\.(\w+)", source.read_text("utf-8"), re.M))
    assert imported <= reached
    assert all(path.parent.name != "jtdiag" for path in code_of(source))


def test_the_result_of_another_version_of_jtdiag_is_stale(run, foreign, monkeypatch):
    ask(run, "foreign")
    monkeypatch.setattr("jtdiag.probing.code_hash.version", lambda name: "99.0")
    assert not results.is_fresh(run, PROBES.find("foreign"))
