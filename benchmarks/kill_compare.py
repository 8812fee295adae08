"""Whether two folders with runs contain the same, apart from dates and machine settings."""

import json
from pathlib import Path
from typing import Any

from jtdiag import files
from jtdiag.errors import JtdiagError
from jtdiag.probing import result_seal
from jtdiag.workflows import check

IGNORED = ("home", "__pycache__")
"""Folders of the case itself."""
LOCKS = ".lock"
TIMED = (".pdf", ".png", ".html")
"""Files that contain the date of the results; they need only be there."""


def differences(expected: Path, actual: Path) -> list[str]:
    """Return how a folder differs from the one of an undisturbed run, one line each."""
    old, new = _contents(expected), _contents(actual)
    lines = [f"{name} is missing" for name in sorted(old.keys() - new.keys())]
    lines += [f"{name} was left behind" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        if _comparable(old[name]) != _comparable(new[name]):
            lines.append(f"{name} differs")
    return [*lines, *problems(actual)]


def problems(folder: Path) -> list[str]:
    """Return what is wrong with the runs in a folder, which may have been interrupted."""
    lines = [f"{lock} is held" for lock in folder.rglob(f"*{LOCKS}") if files.is_locked(lock)]
    for recipe in folder.rglob("recipe.toml"):
        run = recipe.parent
        if run == folder or run.name.startswith("."):
            continue
        try:
            lines += [damage.reason for damage in check.check(run).damages]
        except JtdiagError as error:
            lines.append(str(error))
    return lines


def without_results(lines: list[str]) -> list[str]:
    """Return problems except those of results, which are measured again."""
    return [line for line in lines if "/results/" not in line]


def _contents(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix != LOCKS and not {*path.relative_to(folder).parts} & {*IGNORED}
    }


def _comparable(path: Path) -> object:
    """Return what two runs have in common in a file; None for folders and for files with dates."""
    if path.is_dir() or path.suffix in TIMED:
        return None
    if path.name == "zarr.json":
        return _without_date(json.loads(path.read_text("utf-8")))
    if path.name == "store.chunks.json":
        fields = files.read_json(path)
        fields["metadata"].pop("zarr.json")
        return fields
    if path.parent.name == "results" and path.suffix == ".json":
        assert result_seal.verify(path.with_suffix(".zarr"))
        hashes = files.read_json(path)["files"]
        hashes.pop("zarr.json")
        return hashes
    if path.name == "findings.jsonl":
        return sorted(path.read_text("utf-8").splitlines())
    return path.read_bytes()


def _without_date(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("settings", "date"):
        fields.get("attributes", {}).pop(name, None)
    return fields
