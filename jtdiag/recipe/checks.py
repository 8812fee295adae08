"""What a recipe's fields may hold: each check returns the value as stored, or refuses it."""

import math
from collections.abc import Collection, Iterable
from typing import Any, cast

from jtdiag.errors import RecipeError, nearest


def integer(field: str, value: object, low: int) -> int:
    """Return a whole number of at least `low`; ``3.0`` and ``true`` are refused."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise RecipeError(f"{field} is {value!r}; it must be a whole number, {low} or more.")
    return value


def number(field: str, value: object, low: float, high: float = math.inf) -> float:
    """Return a finite number in [low, high] as a float."""
    bad = isinstance(value, bool) or not isinstance(value, int | float)
    if bad or not math.isfinite(cast(float, value)) or not low <= cast(float, value) <= high:
        limits = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"{low:g} or more"
        raise RecipeError(f"{field} is {value!r}; it must be a number {limits}.")
    return float(cast(float, value))


def positive(field: str, value: object) -> float:
    """Return a finite number above zero as a float."""
    if number(field, value, 0.0) == 0.0:
        raise RecipeError(f"{field} is {value!r}; it must be above 0.")
    return float(cast(float, value))


def text(field: str, value: object) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise RecipeError(f"{field} is {value!r}; it must be a text in quotes, not empty.")
    return value


def flag(field: str, value: object) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise RecipeError(f"{field} is {value!r}; it must be true or false.")
    return value


def choice(field: str, value: object, allowed: Collection[str]) -> str:
    """Return one of the allowed words."""
    if value not in allowed:
        known = ", ".join(allowed)
        raise RecipeError(
            f"{field} is {value!r}; it must be one of {known}.{nearest(value, allowed)}"
        )
    return cast(str, value)


def listed(value: object) -> tuple[Any, ...]:
    """Return the items of a list; one plain value counts as a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def several(field: str, value: object) -> tuple[Any, ...]:
    """Return the items of a list that is not empty."""
    items = listed(value)
    if not items:
        raise RecipeError(f"{field} is an empty list; give at least one value.")
    return items


def different(field: str, items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the items when no two are equal."""
    twice = [item for item in items if items.count(item) > 1]
    if twice:
        raise RecipeError(f"{field} names {twice[0]!r} more than once; name each value once.")
    return items


def known_keys(where: str, keys: Iterable[str], allowed: Collection[str]) -> None:
    """Refuse the first key that is not allowed, naming the nearest one that is."""
    for key in keys:
        if key not in allowed:
            raise RecipeError(
                f"{where}: unknown key '{key}'."
                + (nearest(key, allowed) or f" Known keys: {', '.join(allowed)}.")
            )
