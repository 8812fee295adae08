"""Run folders that are none, or that are in the way."""

import os
import shutil
from pathlib import Path

from hostile_case import hostile, is_refused, jtdiag
from tiny_run import tiny_run


@hostile("run folder", "a folder that contains nothing, for every command that reads", "refused")
def empty(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for command in ("probe", "plot", "table", "report", "check"):
        is_refused(jtdiag(command, "run"), "run")


@hostile("run folder", "a file where the run folder should be", "refused")
def a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder", encoding="utf-8")
    is_refused(jtdiag("train", "demo", "--out", "run"), "run")
    assert (tmp_path / "run").read_text("utf-8") == "not a folder"


def _still_reads(run: Path) -> None:
    """Check that a run's results are drawn, compared and checked as before."""
    assert jtdiag("plot", run, "error-against-lambda", "--format", "svg").exit_code == 0
    assert jtdiag("watch", run, "--once").exit_code == 0
    checked = jtdiag("check", run)
    assert checked.exit_code == 0, checked.output
    assert "no damage" in checked.output


def _is_damaged(run: Path, *parts: str) -> None:
    """Check that what reads the store says so in one line, and that `check` finds it."""
    for command in (("plot", run), ("table", run), ("probe", run, "performance")):
        is_refused(jtdiag(*command), *parts)
    checked = jtdiag("check", run)
    assert checked.exit_code == 1
    assert "1 damaged" in checked.output


@hostile(
    "run folder", "a copied result under the name of a probe that is not there", "read, and said"
)
def unknown_probe(_: Path) -> None:
    run = tiny_run(Path("run"))
    shutil.copytree(run / "results/performance.zarr", run / "results/mystery.zarr")
    assert jtdiag("plot", run, "error-against-lambda", "--format", "svg").exit_code == 0
    assert jtdiag("table", run).exit_code == 0
    checked = jtdiag("check", run)
    assert checked.exit_code == 1
    assert "results/mystery.zarr: its seal is missing" in checked.output


@hostile("run folder", "files of other programs everywhere", "read")
def other_files(_: Path) -> None:
    run = tiny_run(Path("run"))
    for place in ("", "results", "lanes", "store.zarr"):
        (run / place / ".DS_Store").write_bytes(b"\x00")
        (run / place / "notes.txt").write_text("text", encoding="utf-8")
    _still_reads(run)


@hostile("run folder", "a run inside a run", "read")
def run_in_run(_: Path) -> None:
    run = tiny_run(Path("run"))
    tiny_run(run / "inner")
    _still_reads(run)
    _still_reads(run / "inner")


@hostile("run folder", "a pipe, a symbolic link to itself, and one to nothing, in the run", "read")
def pipes_and_loops(_: Path) -> None:
    run = tiny_run(Path("run"))
    os.mkfifo(run / "pipe")
    (run / "loop").symlink_to("loop")
    (run / "nothing").symlink_to("no-such-file")
    _still_reads(run)


@hostile("run folder", "a symbolic link to the run", "read")
def link(_: Path) -> None:
    tiny_run(Path("somewhere/run"))
    Path("link").symlink_to("somewhere/run")
    _still_reads(Path("link"))


@hostile("run folder", "figures is a file, or a link to itself", "refused")
def figures(_: Path) -> None:
    run = tiny_run(Path("run"))
    (run / "figures").write_text("text", encoding="utf-8")
    for _attempt in range(2):
        is_refused(jtdiag("plot", run, "error-against-lambda"), "run/figures: cannot be written")
        (run / "figures").unlink()
        (run / "figures").symlink_to("figures")


@hostile("run folder", "findings.jsonl is a folder", "refused")
def findings(_: Path) -> None:
    run = tiny_run(Path("run"))
    (run / "findings.jsonl").unlink()
    (run / "findings.jsonl").mkdir()
    is_refused(jtdiag("probe", run, "performance"), "is not a list of findings.*Delete it")
    assert "1 damaged" in jtdiag("check", run).output


@hostile("run folder", "results is a file", "refused")
def results(_: Path) -> None:
    run = tiny_run(Path("run"))
    shutil.rmtree(run / "results")
    (run / "results").write_text("text", encoding="utf-8")
    message = "run/results is not a folder of results; remove it or move it elsewhere"
    for command in (("table", run), ("probe", run, "performance"), ("compare", run, run)):
        is_refused(jtdiag(*command), message)
    assert message in jtdiag("check", run).output
    assert (run / "results").read_text("utf-8") == "text"


@hostile("run folder", "lanes is missing, or a file", "refused")
def no_lanes(_: Path) -> None:
    run = tiny_run(Path("run"))
    shutil.rmtree(run / "lanes")
    _is_damaged(run, "run/lanes/store.chunks.json is missing")
    (run / "lanes").write_text("text", encoding="utf-8")
    _is_damaged(run, "run/lanes/store.chunks.json: is damaged")


@hostile("run folder", "store.zarr is empty, or a file", "refused")
def no_store(_: Path) -> None:
    run = tiny_run(Path("run"))
    shutil.rmtree(run / "store.zarr")
    (run / "store.zarr").mkdir()
    _is_damaged(run, "zarr.json cannot be read: No such file")
    (run / "store.zarr").rmdir()
    (run / "store.zarr").write_text("text", encoding="utf-8")
    _is_damaged(run, "zarr.json cannot be read: Not a directory")


@hostile("run folder", "recipe.toml is empty, random bytes, or a folder", "refused")
def no_recipe(_: Path) -> None:
    run = tiny_run(Path("run"))
    (run / "recipe.toml").write_text("", encoding="utf-8")
    _is_damaged(run, r"\[data\] is missing")
    (run / "recipe.toml").write_bytes(bytes(range(256)))
    _is_damaged(run, "is not valid TOML")
    (run / "recipe.toml").unlink()
    (run / "recipe.toml").mkdir()
    _is_damaged(run, "cannot be read .Is a directory")


@hostile("run folder", "a recipe.toml that links to itself", "refused")
def recipe_loop(_: Path) -> None:
    run = tiny_run(Path("run"))
    (run / "recipe.toml").unlink()
    (run / "recipe.toml").symlink_to("recipe.toml")
    for command in ("plot", "table", "probe"):
        is_refused(jtdiag(command, run), "run is not a run: it has no recipe.toml")
    checked = jtdiag("check", run)
    assert checked.exit_code == 1
    assert "recipe.toml: run is not a run: it has no recipe.toml" in checked.output


@hostile("run folder", "a folder without permission to read it", "refused")
def unreadable(_: Path) -> None:
    run = tiny_run(Path("run"))
    (run / "recipe.toml").chmod(0)
    try:
        if os.access(run / "recipe.toml", os.R_OK):  # a superuser may read anything
            assert jtdiag("check", run).exit_code == 0
        else:
            is_refused(jtdiag("table", run), "recipe.toml: cannot be read")
    finally:
        (run / "recipe.toml").chmod(0o644)
