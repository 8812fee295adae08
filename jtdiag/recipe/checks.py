"""Checks of single values: each returns the value as it is stored, or raises a RecipeError.

The classes of a recipe are attrs classes. A field names its check in its metadata (`checked`), and
`with_checks` turns every check into the field's converter, which knows the field's full name.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, cast

import attrs

from jtdiag.errors import RecipeError, nearest


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
        extra = (record,) if metadata["takes_self"] else ()
        return check(name, value, *arguments, *extra)

    return attrs.Converter(convert, takes_self=True)


def integer(field: str, value: object, low: int) -> int:
    """Return an integer of at least `low`; ``3.0`` and ``true`` are rejected."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise RecipeError(f"{field} is {value!r}; it must be a whole number, {low} or more.")
    return value


def integer_or_auto(field: str, value: object, low: int) -> int | str:
    """Return "auto" or an integer of at least `low`."""
    return "auto" if value == "auto" else integer(field, value, low)


def integers(field: str, value: object, low: int) -> tuple[int, ...]:
    """Return a list of integers of at least `low`; one value counts as a list of one."""
    return tuple(integer(field, item, low) for item in listed(value))


def number(field: str, value: object, low: float, high: float = math.inf) -> float:
    """Return a finite number in [low, high] as a float."""
    bad = isinstance(value, bool) or not isinstance(value, int | float)
    if bad or not math.isfinite(cast(float, value)) or not low <= cast(float, value) <= high:
        limits = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"{low:g} or more"
        raise RecipeError(f"{field} is {value!r}; it must be a number {limits}.")
    return float(cast(float, value))


def positive(field: str, value: object, high: float = math.inf) -> float:
    """Return a finite number in (0, high] as a float."""
    if number(field, value, 0.0, high) == 0.0:
        raise RecipeError(f"{field} is {value!r}; it must be greater than 0.")
    return float(cast(float, value))


def text(field: str, value: object) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise RecipeError(f"{field} is {value!r}; it must be a non-empty string, in quotes.")
    return value


def optional_text(field: str, value: object) -> str:
    """Return a string; an empty one means that the field is not set."""
    return "" if value == "" else text(field, value)


def flag(field: str, value: object) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise RecipeError(f"{field} is {value!r}; it must be true or false.")
    return value


def choice(field: str, value: object, allowed: Collection[str]) -> str:
    """Return one of the allowed words."""
    if value not in allowed:
        raise RecipeError(
            f"{field} is {value!r}; it must be one of {', '.join(allowed)}."
            f"{nearest(value, allowed)}"
        )
    return cast(str, value)


def choices(field: str, value: object, allowed: Collection[str]) -> tuple[str, ...]:
    """Return a list of different allowed words; one word counts as a list of one."""
    return different(field, tuple(choice(field, item, allowed) for item in listed(value)))


def table(field: str, value: object) -> dict[str, Any]:
    """Return a copy of a table with string keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RecipeError(f"{field} is {value!r}; it must be a table, [{field}].")
    return dict(value)


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
    repeated = [item for item in items if items.count(item) > 1]
    if repeated:
        raise RecipeError(f"{field} lists {repeated[0]!r} more than once; list each value once.")
    return items


def unknown_key(where: str, key: str, allowed: Iterable[str]) -> RecipeError:
    """Return the error for an unknown key, which suggests the nearest allowed one."""
    allowed = list(allowed)
    hint = nearest(key, allowed) or (
        f" Known keys: {', '.join(allowed)}." if allowed else " No keys are allowed here."
    )
    return RecipeError(f"{where}: unknown key '{key}'.{hint}")
