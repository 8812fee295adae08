"""What runs that share a figure are called there: by what differs between their recipes."""

from collections.abc import Sequence
from typing import Any

from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml import differences

NEVER = {"name", "lam", "trials", "keep.outputs", "keep.checkpoints", "keep.splits", "keep.dtype"}
"""What does not change a number at a λ, or is seen on the figure anyway."""
ORDER = ("members", "objective", "data", "scheme", "train")
"""Sections, the one that says most first."""
MOST = 3
"""Fields in a label."""


def labels(recipes: Sequence[Recipe], folders: Sequence[str]) -> list[str]:
    """Return a label for each run, all of them different.

    It is what differs between the recipes, up to three fields, members first: "16 members,
    hidden 64". Where that does not tell all runs apart, the folder's name comes before it.

    Args:
        recipes: Of the runs.
        folders: Names of their folders.
    """
    if len(recipes) == 1:
        return list(folders)
    differing = {f for other in recipes[1:] for f in differences(recipes[0], other)} - NEVER
    fields = sorted(differing, key=_rank)
    members = [field for field in fields if field.startswith("members.")]
    fields = (members or fields)[:MOST]  # the rest often follows from the members
    found = [", ".join(_say(recipe, field) for field in fields) for recipe in recipes]
    if len(set(found)) == len(found):
        return found
    named = [
        f"{folder}: {text}".removesuffix(": ") for folder, text in zip(folders, found, strict=True)
    ]
    if len(set(named)) == len(named):
        return named
    return [f"{i}. {text}" for i, text in enumerate(named, 1)]


def _rank(field: str) -> tuple[int, str]:
    section = field.partition(".")[0]
    place = ORDER.index(section) if section in ORDER else len(ORDER)
    return place, "" if field == "members.count" else field


def _say(recipe: Recipe, field: str) -> str:
    section, dot, name = field.rpartition(".")
    value = getattr(getattr(recipe, section) if dot else recipe, name)
    if field == "members.count":
        return f"{value} members" if value != 1 else "1 member"
    if field == "members.arch":
        return str(value)
    return f"{name.replace('_', ' ')} {_short(value)}"


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "/".join(_short(one) for one in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
