"""A study: several recipes whose runs are compared, in one TOML file.

The file is a recipe with a table ``[runs.NAME]`` for every run, which contains the fields that
differ for that run; sections are merged field by field.
"""

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from jtdiag.errors import RecipeError, nearest, shortened, shown
from jtdiag.recipe import checks, presets, toml
from jtdiag.recipe.recipe import Recipe

FILE = "study.toml"
"""File in the folder of a study, with every field of every run."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@attrs.frozen(kw_only=True)
class Study:
    """Runs that are compared, by name, in the order of the file."""

    name: str
    runs: Mapping[str, Recipe]


def paths() -> dict[str, Path]:
    """Return the files of the studies that jtdiag provides, by name."""
    return {path.stem: path for path in sorted((presets.folder() / "studies").glob("*.toml"))}


def find(study: str, overrides: Iterable[str] = ()) -> Study:
    """Return a study that jtdiag provides, or the one in a TOML file or in the folder of a study.

    Raises:
        RecipeError: if there is no such study, or one of its recipes is invalid.
    """
    path, studies = Path(study), paths()
    if is_study(path):
        return read(path / FILE, overrides)
    if path.suffix == ".toml" or os.path.isfile(path):
        return read(path, overrides)
    if study not in studies:
        raise RecipeError(
            f"There is no study or study file '{shortened(study, 100)}'.{nearest(study, studies)} "
            f"Studies: {', '.join(studies)}."
        )
    return read(studies[study], overrides)


def is_study(folder: Path) -> bool:
    """Return whether a folder is that of a study."""
    return os.path.isfile(folder / FILE)


def read(path: Path, overrides: Iterable[str] = ()) -> Study:
    """Return the study in a TOML file, with ``key=value`` overrides applied.

    A key applies to every run; one that starts with ``runs.NAME.`` applies to that run only.

    Raises:
        RecipeError: if the file is missing, is not TOML, or is not a valid study.
    """
    table = toml.load(path)
    runs = table.pop("runs", None)
    if not isinstance(runs, dict) or not runs:
        raise RecipeError(
            f"{path}: has no [runs.NAME]; a study has such a table for every run. Use "
            "`jtdiag train` for a single recipe."
        )
    common, by_run = _split(overrides, runs)
    renaming = [change for change in common if change.partition("=")[0].strip() == "name"]
    study = toml.override({"name": table.get("name", path.stem)}, renaming)["name"]
    if "/" in checks.text("name", study):
        raise RecipeError(f"name is {shown(study)}; it becomes a folder name, so it has no '/'.")
    common = [change for change in common if change not in renaming]
    recipes = {
        name: _recipe(path, table, name, runs[name], [*common, *by_run[name]]) for name in runs
    }
    return Study(name=study, runs=recipes)


def _split(overrides: Iterable[str], runs: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the overrides for every run, and by name those for one run."""
    common: list[str] = []
    by_run: dict[str, list[str]] = {name: [] for name in runs}
    for change in overrides:
        match = re.match(r"\s*runs\.([^.=]+)\.(.*)", change, re.S)
        if match is None:
            common.append(change)
        elif match[1] in by_run:
            by_run[match[1]].append(match[2])
        else:
            raise RecipeError(
                f"--set {shortened(change, 60)}: there is no run '{shortened(match[1], 60)}' in "
                f"the study.{nearest(match[1], by_run)} Runs: {', '.join(by_run)}."
            )
    return common, by_run


def _recipe(
    path: Path, common: Mapping[str, Any], name: str, own: object, changes: list[str]
) -> Recipe:
    where = f"{path}, [runs.{name}]"
    if not isinstance(own, dict) or not _NAME.fullmatch(name):
        raise RecipeError(
            f"{where} must be a table, named with letters, digits, dashes and underscores; the "
            "name becomes a folder name."
        )
    merged = {**common, **own, "name": name}
    for section in toml.SECTIONS:
        parts = [table.get(section, {}) for table in (common, own)]
        if all(isinstance(part, dict) for part in parts) and any(parts):
            merged[section] = {**parts[0], **parts[1]}
    return toml.from_table(toml.override(merged, changes, where), where)


def selected(study: Study, patterns: Iterable[str]) -> list[str]:
    """Return the names of the runs that match patterns such as ``mlp-*``; all without any.

    Raises:
        RecipeError: if no run matches one of them.
    """
    patterns = list(patterns)
    matching = {pattern: fnmatch.filter(study.runs, pattern) for pattern in patterns}
    for pattern, names in matching.items():
        if not names:
            raise RecipeError(
                f"--only {shortened(pattern, 60)}: no run of the study has this name."
                f"{nearest(pattern, study.runs)} Runs: {', '.join(study.runs)}."
            )
    wanted = {name for names in matching.values() for name in names}
    return [name for name in study.runs if name in wanted or not patterns]


def to_toml(study: Study) -> str:
    """Return a study as TOML with every field of every run."""
    runs = {name: toml.to_table(recipe) for name, recipe in study.runs.items()}
    return toml.dumps({"name": study.name, "runs": runs})


def differences(old: Study, new: Study) -> list[str]:
    """Return the fields in which two studies would give different runs.

    Names are such as ``runs.single.trials``; it is ``runs`` if the studies have other runs.
    """
    if list(old.runs) != list(new.runs):
        return ["runs"]
    return [
        f"runs.{name}.{field}"
        for name, recipe in old.runs.items()
        for field in toml.differences(recipe, new.runs[name])
    ]
