"""Groups of classes that a task tells apart, `data.classes`, such as [[0, 1, 2], [3, 4]]."""

from typing import Final

from jtdiag.errors import RecipeError, shown
from jtdiag.recipe import checks

Class = int | str
"""A class by its number, or by its name."""
ClassGroups = tuple[tuple[Class, ...], ...]
"""Classes of each group, in the order of the outputs; empty for every class of the data set."""
MOST_CLASSES: Final = 1_000_000
"""Largest number of a class."""
EXAMPLE: Final = "[[0, 1], [2, 3]]"


def class_groups(field: str, value: object) -> ClassGroups:
    """Return groups of different classes; a class outside of a list is a group of its own.

    Whether the classes exist is checked when the data set is loaded.

    Raises:
        RecipeError: if it is no list of two groups or more, a group is empty, or a class is listed
            twice.
    """
    if not isinstance(value, list | tuple):
        raise RecipeError(
            f"{field} is {shown(value)}; it must be a list of classes or of groups of classes, "
            f"such as {EXAMPLE}."
        )
    groups = tuple(_group(field, item) for item in value)
    if len(groups) == 1:
        raise RecipeError(
            f"{field} has only one group; give at least two, such as {EXAMPLE}, or leave it out."
        )
    checks.different(field, tuple(item for group in groups for item in group))
    return groups


def _group(field: str, value: object) -> tuple[Class, ...]:
    items = checks.listed(value)
    if not items:
        raise RecipeError(f"{field} contains an empty group; list the classes of every group.")
    return tuple(_class(field, item) for item in items)


def _class(field: str, value: object) -> Class:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RecipeError(
            f"{field} lists {shown(value)}; it must list numbers of classes, 0 or more, or their "
            "names in quotes."
        )
    return checks.integer(field, value, 0, MOST_CLASSES)
