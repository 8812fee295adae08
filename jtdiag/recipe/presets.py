"""The recipes that come with jtdiag, by name: ``runs/`` here, ``bundled/`` in a wheel."""

from collections.abc import Iterable
from pathlib import Path

from jtdiag.errors import RecipeError, nearest
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe


def folder() -> Path:
    """Return where the preset recipes lie: inside an installed package, or in the repository."""
    room = Path(__file__).parent
    installed = room / "bundled"
    return installed if installed.is_dir() else room.parents[1] / "runs"


def paths() -> dict[str, Path]:
    """Return the file of every preset by its name, in alphabetical order."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def describe(path: Path) -> str:
    """Return what a preset is for: its first line, which is a comment."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return first.lstrip("# ")


def find(recipe: str, overrides: Iterable[str] = ()) -> Recipe:
    """Return a recipe by the name of a preset, or by a path: a TOML file or a run's folder.

    Raises:
        RecipeError: if there is no such recipe, or it cannot be carried out.
    """
    path = Path(recipe)
    if path.is_dir() and (path / "recipe.toml").is_file():
        return toml.read(path / "recipe.toml", overrides)
    if path.suffix == ".toml" or path.is_file():
        return toml.read(path, overrides)
    known = paths()
    if recipe not in known:
        raise RecipeError(
            f"There is no preset or recipe file '{recipe}'.{nearest(recipe, known)} "
            "`jtdiag presets` lists the presets."
        )
    return toml.read(known[recipe], overrides)
