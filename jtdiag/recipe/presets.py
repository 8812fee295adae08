"""The recipes that jtdiag provides: ``runs/`` in the repository, ``bundled/`` in a wheel."""

import os
from collections.abc import Iterable
from pathlib import Path

from jtdiag.errors import RecipeError, nearest, shortened
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe


def folder() -> Path:
    """Return the folder of the presets: inside an installed package, or in the repository."""
    package = Path(__file__).parent
    installed = package / "bundled"
    return installed if installed.is_dir() else package.parents[1] / "runs"


def paths() -> dict[str, Path]:
    """Return the file of every preset by its name, in alphabetical order."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def describe(path: Path) -> str:
    """Return the description of a preset: its first line, which is a comment."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return first.lstrip("# ")


def find(recipe: str, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe of a preset, a TOML file or the folder of a run.

    Args:
        recipe: Name of a preset, or a path.
        overrides: Changes, such as "train.epochs=3".

    Raises:
        RecipeError: if there is no such recipe, or it is invalid.
    """
    path = Path(recipe)
    if os.path.isfile(path / "recipe.toml"):
        return toml.read(path / "recipe.toml", overrides)
    if path.suffix == ".toml" or os.path.isfile(path):
        return toml.read(path, overrides)
    presets = paths()
    if recipe not in presets:
        raise RecipeError(
            f"There is no preset or recipe file '{shortened(recipe, 100)}'."
            f"{nearest(recipe, presets)} `jtdiag presets` lists the presets."
        )
    return toml.read(presets[recipe], overrides)
