"""Labels of runs that share a figure or table: the fields in which their recipes differ."""

from collections import Counter
from collections.abc import Sequence

from jtdiag.recipe import wording
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml import differences, lookup, plain

IGNORED = {"name", "lam", "trials", "keep.outputs", "keep.checkpoints", "keep.splits", "keep.dtype"}
"""Fields that do not affect the results at a λ, or that the figure shows anyway."""
ORDER = ("members", "objective", "data", "scheme", "train")
"""Sections, the most informative first."""
MOST = 3
"""Largest number of fields in a label."""


def labels(recipes: Sequence[Recipe], folders: Sequence[str]) -> list[str]:
    """Return a label for each run, all of them different.

    A label lists up to three fields in which the recipes differ, members first: "16 members,
    hidden 64". Recipes that differ in [modules] are labeled by their credit, "local, predsim,
    μ = 0.5", and by up to three other fields unless they are as in most recipes; how long and how
    fast is trained often follows from the credit, and is left out. If the labels are not unique,
    the name of the folder precedes them.

    Args:
        recipes: Recipes of the runs.
        folders: Names of their folders.
    """
    if len(recipes) == 1:
        return list(folders)
    differing = {field for recipe in recipes[1:] for field in differences(recipes[0], recipe)}
    fields = sorted(differing - IGNORED, key=_rank)
    if any(field.startswith("modules.") for field in fields):
        texts = _by_credit(recipes, fields)
    else:
        members = [field for field in fields if field.startswith("members.")]
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


def _by_credit(recipes: Sequence[Recipe], differing: Sequence[str]) -> list[str]:
    """Return the credit of each recipe, and the other fields that are not as in most of them."""
    others = [field for field in differing if not field.startswith(("modules.", "train."))]
    values = {field: [lookup(recipe, field) for recipe in recipes] for field in others[:MOST]}
    usual = {field: _usual(each) for field, each in values.items()}
    texts = []
    for i, recipe in enumerate(recipes):
        own = [(field, each[i]) for field, each in values.items() if plain(each[i]) != usual[field]]
        texts.append(", ".join(filter(None, [wording.credit(recipe.modules), wording.label(own)])))
    return texts


def _usual(values: Sequence[object]) -> str:
    """Return the value that more than half of the recipes have, as TOML; empty if there is none."""
    [(value, count)] = Counter(map(plain, values)).most_common(1)
    return value if 2 * count > len(values) else ""


def _rank(field: str) -> tuple[int, str]:
    section = field.partition(".")[0]
    place = ORDER.index(section) if section in ORDER else len(ORDER)
    return place, "" if field == "members.count" else field
