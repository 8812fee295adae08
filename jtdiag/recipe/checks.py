"""Checks of single values: each returns the value as it is stored, or raises a RecipeError.

The classes of a recipe are attrs classes. A field names its check in its metadata (`checked`), and
`with_checks` turns every check into the field's converter, which knows the field's full name.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, cast

import attrs

from jtdiag.errors import RecipeError, nearest, shortened, shown

LARGEST: Final = 2**64 - 1
"""Largest integer of a field that has no other limit, such as the seed."""

LARGEST_FACTOR: Final = 1e30
"""Largest factor or rate: products with weights stay within float32, up to 3e38."""


def checked(
    check: Callable[..., object], *arguments: object, quiet: bool = False, takes_self: bool = False
) -> dict[str, Any]:
    """Return the metadata of a field whose values are checked.

    Args:
        check: Called with the field's full name, the value and `arguments`; it returns the value
            to store.
        *arguments: Such as the smallest allowed value.
        quiet: Leave the field out of TOML files and digests at its default. The default of such a
            field must never change: recipes written before the field existed keep their digests.
        takes_self: Pass the object under construction as the last argument. Only the fields before
            this one are set.
    """
    return {"check": check, "arguments": arguments, "quiet": quiet, "takes_self": takes_self}


def with_checks(kind: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    """Return the fields of an attrs class with their checks as converters.

    It is the `field_transformer` of the classes of a recipe.
    """
    section = getattr(kind, "SECTION", "")
    prefix = f"{section}." if section else ""
    return [
        field.evolve(converter=_converter(prefix + field.name, field.metadata))
        if "check" in field.metadata
        else field
        for field in fields
    ]


def _converter(name: str, metadata: Mapping[str, Any]) -> "attrs.Converter[Any, Any]":
    check, arguments = metadata["check"], metadata["arguments"]

    def convert(value: object, record: attrs.AttrsInstance) -> object:
        value = plain(value)
        extra = (record,) if metadata["takes_self"] else ()
        return check(name, value, *arguments, *extra)

    return attrs.Converter(convert, takes_self=True)


def plain(value: object) -> object:
    """Return numbers and arrays of numpy as those of Python, also in a list."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)  # type: ignore[attr-defined, call-arg]
    return value


def integer(field: str, value: object, low: int, high: int = LARGEST) -> int:
    """Return an integer in [low, high]; ``3.0`` and ``true`` are rejected."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise RecipeError(f"{field} is {shown(value)}; it must be a whole number, {low} or more.")
    if value > high:
        raise RecipeError(
            f"{field} is {shown(value)}; it must be {high:,} or less, so that "
            "a run stays computable."
        )
    return value


def integer_or_auto(field: str, value: object, low: int, high: int = LARGEST) -> int | str:
    """Return "auto" or an integer in [low, high]."""
    return "auto" if value == "auto" else integer(field, value, low, high)


def integers(field: str, value: object, low: int, high: int = LARGEST) -> tuple[int, ...]:
    """Return a list of integers in [low, high]; one value counts as a list of one."""
    return tuple(integer(field, item, low, high) for item in listed(value))


def number(field: str, value: object, low: float, high: float = math.inf) -> float:
    """Return a finite number in [low, high] as a float."""
    bad = isinstance(value, bool) or not isinstance(value, int | float)
    bad = bad or (isinstance(value, int) and abs(value) > 10**300)  # beyond float
    if bad or not math.isfinite(cast(float, value)) or not low <= cast(float, value) <= high:
        limits = f"{low:g} or more"
        if LARGEST_FACTOR <= high < math.inf:
            limits = f"{limits}, and {high:g} or less"
        elif math.isfinite(high):
            limits = f"in [{low:g}, {high:g}]"
        raise RecipeError(f"{field} is {shown(value)}; it must be a number {limits}.")
    return float(cast(float, value))


def positive(field: str, value: object, high: float = math.inf) -> float:
    """Return a finite number in (0, high] as a float."""
    if number(field, value, 0.0, high) == 0.0:
        raise RecipeError(f"{field} is {shown(value)}; it must be greater than 0.")
    return float(cast(float, value))


def text(field: str, value: object) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise RecipeError(f"{field} is {shown(value)}; it must be a non-empty string, in quotes.")
    return value


def optional_text(field: str, value: object) -> str:
    """Return a string; an empty one means that the field is not set."""
    return "" if value == "" else text(field, value)


def flag(field: str, value: object) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise RecipeError(f"{field} is {shown(value)}; it must be true or false.")
    return value


def choice(field: str, value: object, allowed: Collection[str]) -> str:
    """Return one of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise RecipeError(
            f"{field} is {shown(value)}; it must be one of {', '.join(allowed)}."
            f"{nearest(value, allowed)}"
        )
    return value


def choices(field: str, value: object, allowed: Collection[str]) -> tuple[str, ...]:
    """Return a list of different allowed words; one word counts as a list of one."""
    return different(field, tuple(choice(field, item, allowed) for item in listed(value)))


def table(field: str, value: object) -> dict[str, Any]:
    """Return a copy of a table with string keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RecipeError(f"{field} is {shown(value)}; it must be a table, [{field}].")
    return dict(value)


def section(field: str, value: object, kind: type) -> Any:
    """Return a section of a recipe, such as a `Data`."""
    if not isinstance(value, kind):
        raise RecipeError(
            f"{field} is {shown(value)}; it must be a jtdiag.recipe.recipe.{kind.__name__}, or use "
            "from_table for tables of plain values."
        )
    return value


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
    """Return the items if no two are equal."""
    counted = Counter(items)
    repeated = [item for item in counted if counted[item] > 1]
    if repeated:
        raise RecipeError(
            f"{field} lists {shown(repeated[0])} more than once; list each value once."
        )
    return items


def unknown_key(where: str, key: object, allowed: Iterable[str]) -> RecipeError:
    """Return the error for an unknown key, which suggests the nearest allowed one."""
    allowed = list(allowed)
    hint = nearest(key, allowed) or (
        f" Known keys: {', '.join(allowed)}." if allowed else " No keys are allowed here."
    )
    name = f"'{shortened(key, 100)}'" if isinstance(key, str) else shown(key)
    return RecipeError(f"{where}: unknown key {name}.{hint}")
