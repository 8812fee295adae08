"""A study: several recipes that are compared, in one TOML file.

The file is a recipe with a table ``[runs.NAME]`` for every run, which holds what that run has of
its own; sections are merged field by field.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jtdiag.errors import RecipeError, nearest
from jtdiag.recipe import checks as check, presets, toml
from jtdiag.recipe.recipe import Recipe

FILE = "study.toml"
"""A study's file in its folder, with every field of every run."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Runs that are compared, by name, in the order of the file."""

    name: str
    runs: Mapping[str, Recipe]


def paths() -> dict[str, Path]:
    """Return the files of the studies that come with jtdiag, by name."""
    return {path.stem: path for path in sorted((presets.folder() / "studies").glob("*.toml"))}


def find(study: str, overrides: Iterable[str] = ()) -> Study:
    """Return a study by the name of one of ours, or by a path: a TOML file or a study's folder.

    Raises:
        RecipeError: if there is no such study, or one of its runs cannot be carried out.
    """
    path, known = Path(study), paths()
    if is_study(path):
        return read(path / FILE, overrides)
    if path.suffix == ".toml" or path.is_file():
        return read(path, overrides)
    if study not in known:
        raise RecipeError(
            f"There is no study or study file '{study}'.{nearest(study, known)} "
            f"Studies: {', '.join(known)}."
        )
    return read(known[study], overrides)


def is_study(folder: Path) -> bool:
    """Tell whether a folder is a study's."""
    return (folder / FILE).is_file()


def read(path: Path, overrides: Iterable[str] = ()) -> Study:
    """Return the study in a TOML file, with ``key=value`` overrides applied.

    A key goes to every run; one that begins with ``runs.NAME.`` goes to that run alone.

    Raises:
        RecipeError: if the file is missing, is not TOML, or holds what no study may hold.
    """
    table = toml.load(path)
    runs = table.pop("runs", None)
    if not isinstance(runs, dict) or not runs:
        raise RecipeError(
            f"{path}: has no [runs.NAME]; a study has such a table for every run that is compared. "
            "A single recipe is carried out by `jtdiag train`."
        )
    for_all, own = _shared_out(overrides, runs)
    renaming = [change for change in for_all if change.partition("=")[0].strip() == "name"]
    study = toml.override({"name": table.get("name", path.stem)}, renaming)["name"]
    if "/" in check.text("name", study):
        raise RecipeError(f"name is {study!r}; it names a folder, so it has no '/'.")
    for_all = [change for change in for_all if change not in renaming]
    made = {name: _recipe(path, table, name, runs[name], [*for_all, *own[name]]) for name in runs}
    return Study(name=study, runs=made)


def _shared_out(
    overrides: Iterable[str], runs: Iterable[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the overrides for every run, and by name those for one."""
    for_all: list[str] = []
    own: dict[str, list[str]] = {name: [] for name in runs}
    for change in overrides:
        found = re.match(r"\s*runs\.([^.=]+)\.(.*)", change, re.S)
        if found is None:
            for_all.append(change)
        elif found[1] in own:
            own[found[1]].append(found[2])
        else:
            raise RecipeError(
                f"--set {change}: there is no run '{found[1]}' in the study."
                f"{nearest(found[1], own)} Runs: {', '.join(own)}."
            )
    return for_all, own


def _recipe(
    path: Path, common: Mapping[str, Any], name: str, own: object, changes: list[str]
) -> Recipe:
    where = f"{path}, [runs.{name}]"
    if not isinstance(own, dict) or not _NAME.fullmatch(name):
        raise RecipeError(
            f"{where} must be a table, with a name of letters, digits, dashes and underscores; "
            "it becomes a folder."
        )
    merged = {**common, **own, "name": name}
    for section in toml.SECTIONS:
        parts = [part.get(section, {}) for part in (common, own)]
        if all(isinstance(part, dict) for part in parts) and any(parts):
            merged[section] = {**parts[0], **parts[1]}
    return toml.from_table(toml.override(merged, changes, where), where)


def to_toml(study: Study) -> str:
    """Return a study as TOML with every field of every run."""
    blocks = [f"name = {toml.plain(study.name)}\n"]
    for name, recipe in study.runs.items():
        text = re.sub(r"^\[(\w+)\]$", rf"[runs.{name}.\1]", toml.to_toml(recipe), flags=re.M)
        blocks.append(f"[runs.{name}]\n{text}")
    return "\n".join(blocks)


def differences(old: Study, new: Study) -> list[str]:
    """Return what of two studies would give different runs, such as ``runs.single.trials``."""
    if list(old.runs) != list(new.runs):
        return ["runs"]
    return [
        f"runs.{name}.{field}"
        for name, recipe in old.runs.items()
        for field in toml.differences(recipe, new.runs[name])
    ]
