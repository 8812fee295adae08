"""Run folders that are none, or that are in the way."""

from pathlib import Path

from hostile_case import hostile, is_refused, jtdiag


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
