"""Labels of runs that share a figure or table: the fields in which their recipes differ."""

from collections.abc import Sequence

from jtdiag.recipe import wording
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml import differences, lookup

IGNORED = {"name", "lam", "trials", "keep.outputs", "keep.checkpoints", "keep.splits", "keep.dtype"}
"""Fields that do not affect the results at a λ, or that the figure shows anyway."""
ORDER = ("members", "objective", "data", "scheme", "train")
"""Sections, the most informative first."""
MOST = 3
"""Largest number of fields in a label."""


def labels(recipes: Sequence[Recipe], folders: Sequence[str]) -> list[str]:
    """Return a label for each run, all of them different.

    A label lists up to three fields in which the recipes differ, members first: "16 members,
    hidden 64". Recipes that differ in [modules] are labeled by their credit: "local, predsim,
    μ = 0.5". If the labels are not unique, the name of the folder precedes them.

    Args:
        recipes: Recipes of the runs.
        folders: Names of their folders.
    """
    if len(recipes) == 1:
        return list(folders)
    differing = {field for recipe in recipes[1:] for field in differences(recipes[0], recipe)}
    fields = sorted(differing - IGNORED, key=_rank)
    members = [field for field in fields if field.startswith("members.")]
    if {field.partition(".")[0] for field in fields} in ({"modules"}, {"modules", "train"}):
        # How long and how fast is trained often follows from the credit.
        texts = [wording.credit(recipe.modules) for recipe in recipes]
    else:
        fields = (members or fields)[:MOST]  # other fields often follow from the members
        texts = [
            wording.label((field, lookup(recipe, field)) for field in fields) for recipe in recipes
        ]
    if len(set(texts)) == len(texts):
        return texts
    named = [
        f"{folder}: {text}".removesuffix(": ") for folder, text in zip(folders, texts, strict=True)
    ]
    if len(set(named)) == len(named):
        return named
    return [f"{i}. {text}" for i, text in enumerate(named, 1)]


def _rank(field: str) -> tuple[int, str]:
    section = field.partition(".")[0]
    place = ORDER.index(section) if section in ORDER else len(ORDER)
    return place, "" if field == "members.count" else field
